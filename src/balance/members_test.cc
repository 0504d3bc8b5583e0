// Calls that are pushed and pulled, what is lost and with whom, what comes too late, and code.

#include "balance/members_fixture.h"
#include "wire/manifest.h"

namespace canopy::balance {
namespace {

using policy::Dispatch;
using std::chrono::milliseconds;
using std::chrono::seconds;

// -- calls

TEST_F(MembersTest, CallsStayHereUntilTheyAreToGo) {
  deploy(echo);
  Peer& peer = hire("a");
  EXPECT_EQ(finished(begin(0, "here")).output, "here");
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  EXPECT_EQ(finished(begin(0, "there")).output, "there");
  EXPECT_EQ(finished(begin(1, "and there")).output, "and there");
  members_->set_rules({.mode = Dispatch::push, .functions = {{{"demo", "fake"}, Dispatch::local}}});
  EXPECT_EQ(finished(begin(0, "here again")).output, "here again");
  EXPECT_EQ(members_->crews()[0]->ended_count() + members_->crews()[1]->ended_count(), 2U);
  EXPECT_EQ(peer.worker->running_count(), 0U);
}

TEST_F(MembersTest, AFunctionMaySayItsWayUnlessThereIsARuleOfIt) {
  function_.env = {{std::string(wire::dispatch_variable), "push"}};
  deploy(echo);
  hire("a");
  const auto there_count = [this] {
    return members_->crews()[0]->ended_count() + members_->crews()[1]->ended_count();
  };
  EXPECT_EQ(finished(begin(0, "there")).output, "there");
  EXPECT_EQ(there_count(), 1U);
  members_->set_rules({.mode = Dispatch::push, .functions = {{{"demo", "fake"}, Dispatch::local}}});
  EXPECT_EQ(finished(begin(0, "here")).output, "here");
  EXPECT_EQ(there_count(), 1U);
}

TEST_F(MembersTest, PushedCallsGoToTheLeastLoaded) {
  deploy(waiting);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  Peer& a = hire("a");
  Peer& b = hire("b");
  for (int i = 0; i < 6; ++i) begin(static_cast<std::size_t>(i) % 2);
  EXPECT_TRUE(waits(a, 3));
  EXPECT_TRUE(waits(b, 3));
  a.runtime->release();
  b.runtime->release();
  for (const auto& call : calls_) EXPECT_FALSE(finished(*call).error);
}

TEST_F(MembersTest, NoWorkerHasMoreCallsThanSlotsWhicheverCoreTheyComeFrom) {
  for (const Dispatch way : {Dispatch::push, Dispatch::pull}) {
    deploy(waiting);
    members_->set_rules({.mode = way, .functions = {}});
    Peer& a = hire("a" + std::string(policy::to_text(way)), 3);
    std::vector<OneCall*> mine;
    for (int i = 0; i < 8; ++i) mine.push_back(&begin(static_cast<std::size_t>(i) % 2));
    EXPECT_TRUE(waits(a, 3));
    EXPECT_EQ(members_->crews()[0]->waiting_count() + members_->crews()[1]->waiting_count(), 5U);
    // Places that the calls of one core leave go to those of the other, too.
    EXPECT_TRUE(settle([&] {
      a.runtime->release();
      return std::ranges::all_of(mine, [](const OneCall* call) { return call->reply.has_value(); });
    }));
    for (const OneCall* const call : mine) EXPECT_FALSE(call->reply->error);
    a.dialer.reachable = false;
    a.dialer.cut();
    pass(seconds(2));
  }
}

TEST_F(MembersTest, PulledCallsGoToWhomTheyWereAskedForInTurn) {
  deploy(waiting);
  members_->set_rules({.mode = Dispatch::pull, .functions = {}});
  Peer& a = hire("a", 2);
  clock_.advance(Duration(1));
  Peer& b = hire("b", 2);
  for (std::size_t i = 0; i < 4; ++i) {
    clock_.advance(Duration(1));
    begin();
    EXPECT_TRUE(settle([&] { return a.runtime->waiting_count() + b.runtime->waiting_count() == i + 1U; }));
    EXPECT_EQ(a.runtime->waiting_count(), i / 2 + 1) << i;
  }
  EXPECT_TRUE(waits(b, 2));
  OneCall& late = begin();  // Nobody has asked for one more.
  settle();
  EXPECT_EQ(members_->crews()[0]->waiting_count(), 1U);
  b.runtime->release();
  EXPECT_TRUE(waits(b, 1));
  a.runtime->release();
  b.runtime->release();
  EXPECT_FALSE(finished(late).error);
}

TEST_F(MembersTest, ARunningServerChangesFromPushToPullAndBack) {
  deploy(waiting);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  Peer& a = hire("a", 2);
  OneCall& pushed = begin();
  EXPECT_TRUE(waits(a, 1));
  members_->set_rules({.mode = Dispatch::pull, .functions = {}});
  OneCall& pulled = begin();
  OneCall& third = begin();
  EXPECT_TRUE(waits(a, 2));
  settle();
  EXPECT_EQ(members_->crews()[0]->waiting_count(), 1U);
  a.runtime->release();
  EXPECT_FALSE(finished(pushed).error);
  EXPECT_FALSE(finished(pulled).error);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  EXPECT_TRUE(waits(a, 1));
  a.runtime->release();
  EXPECT_FALSE(finished(third).error);
}

TEST_F(MembersTest, WithoutAWorkerACallIsGivenBackAndToldWhatToDo) {
  deploy(echo);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  OneCall& one = begin();
  pass(seconds(6), seconds(1));
  const Reply reply = finished(one);
  EXPECT_EQ(reply.error->code, Code::unavailable);
  EXPECT_TRUE(reply.unbegun);
}

TEST_F(MembersTest, ACallOfARuntimeThatNoWorkerHasHoldsUpNobody) {
  deploy(waiting);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  Function snake = function_;
  snake.runtime = "python";
  called_ = &snake;
  OneCall& python = begin();
  Peer& a = hire("a", 1);
  called_ = &function_;
  OneCall& first = begin();
  OneCall& second = begin();
  for (OneCall* const call : {&first, &second}) {
    EXPECT_TRUE(waits(a, 1));
    a.runtime->release();
    EXPECT_FALSE(finished(*call).error);
  }
  EXPECT_FALSE(python.reply);
  pass(seconds(6), seconds(1));
  const Reply reply = finished(python);
  EXPECT_EQ(reply.error->code, Code::unavailable);
  EXPECT_NE(reply.error->message.find("'python'"), std::string::npos);
}

// -- losses

TEST_F(MembersTest, ASilentWorkersCallsAreLostInBoundedTimeAndWhatItSaysLaterIsNotHeard) {
  deploy(waiting);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  Peer& a = hire("a");
  OneCall& one = begin();
  EXPECT_TRUE(waits(a, 1));
  a.dialer.stop();  // As SIGSTOP does, or a cable.
  pass(seconds(3));
  const Reply reply = finished(one);
  EXPECT_TRUE(reply.lost);
  EXPECT_EQ(reply.error->code, Code::died);
  EXPECT_EQ(reply.error->message, "the worker process that ran it is gone: a, it says nothing for 2s");
  EXPECT_EQ(shown(), "a gone\n");
  EXPECT_EQ(members_->ready_count(), 0U);
  // It wakes up, and ends what it had.
  a.runtime->release();
  for (int i = 0; i < 20; ++i) a.core.poll();
  a.dialer.stopped = false;
  settle();
  EXPECT_EQ(one.reply->error->code, Code::died);
  EXPECT_EQ(members_->crews()[0]->ended_count(), 0U);
  pass(seconds(2));
  EXPECT_EQ(shown(), "a ready\n");  // And has joined again.
  EXPECT_EQ(a.joined_count, 2U);
}

TEST_F(MembersTest, ADeadWorkersCallsAreLostAndTheOthersGoOn) {
  deploy(waiting);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  Peer& a = hire("a");
  Peer& b = hire("b");
  OneCall& on_a = begin();
  EXPECT_TRUE(waits(a, 1));
  OneCall& on_b = begin();
  EXPECT_TRUE(waits(b, 1));
  a.dialer.reachable = false;
  a.dialer.cut();
  pass(seconds(2));
  EXPECT_TRUE(finished(on_a).lost);
  b.runtime->release();
  EXPECT_FALSE(finished(on_b).error);
  EXPECT_FALSE(finished([&]() -> OneCall& {
                 OneCall& next = begin();
                 EXPECT_TRUE(waits(b, 1));
                 b.runtime->release();
                 return next;
               }())
                   .error);
}

TEST_F(MembersTest, AReplyThatIsOnItsWayIsReadBeforeTheEndCounts) {
  deploy(echo);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  Peer& a = hire("a");
  OneCall& one = begin(0, "last words");
  a.dialer.pump();
  EXPECT_EQ(a.worker->running_count(), 1U);
  for (int i = 0; i < 1'000'000 && a.worker->running_count() > 0; ++i) a.core.poll();
  a.dialer.lines[0]->cut();  // The first connection; the reply is on another.
  EXPECT_EQ(finished(one).output, "last words");
}

TEST_F(MembersTest, AMachineThatStoodStillCutsNobodyOff) {
  hire("a");
  clock_.advance(seconds(60));
  settle();
  pass(seconds(2));
  EXPECT_EQ(shown(), "a ready\n");
}

TEST_F(MembersTest, AWorkerThatHearsNothingJoinsAgain) {
  Peer& a = hire("a");
  members_.reset();  // The gateway is gone, and says so to nobody.
  a.dialer.reachable = false;
  for (int i = 0; i < 40; ++i) {
    clock_.advance(milliseconds(100));
    for (int j = 0; j < 5; ++j) a.core.poll();
  }
  EXPECT_FALSE(a.membership->has_joined());
  const std::size_t dialed = a.dialer.dialed;
  EXPECT_GE(dialed, 5U);  // Three to join, then again and again.
}

TEST_F(MembersTest, AWorkerThatDrainsEndsWhatItHasAndLeaves) {
  deploy(waiting);
  members_->set_rules({.mode = Dispatch::push, .functions = {}});
  Peer& a = hire("a");
  OneCall& one = begin();
  EXPECT_TRUE(waits(a, 1));
  bool left = false;
  a.membership->leave([&left] { left = true; });
  settle();
  EXPECT_EQ(shown(), "a draining\n");
  EXPECT_FALSE(left);
  OneCall& next = begin();
  a.runtime->release();
  EXPECT_FALSE(finished(one).error);
  EXPECT_TRUE(settle([&left] { return left; }));
  settle();
  EXPECT_EQ(shown(), "a gone\n");
  Peer& b = hire("b");
  EXPECT_TRUE(waits(b, 1));
  b.runtime->release();
  EXPECT_FALSE(finished(next).error);
}

TEST_F(MembersTest, ReconnectsLaterAndLater) {
  Peer& a = hire("a");
  a.dialer.reachable = false;
  a.dialer.cut();
  settle();
  const std::size_t before = a.dialer.dialed;
  pass(seconds(10), milliseconds(50));
  const std::size_t tries = a.dialer.dialed - before;
  EXPECT_GE(tries, 20U);  // At 400 ms at most,
  EXPECT_LE(tries, 60U);  // and at half of it at least.
  a.dialer.reachable = true;
  pass(seconds(1));
  EXPECT_EQ(a.joined_count, 2U);
}

// -- code

TEST_F(MembersTest, CodeComesInPieces) {
  stored_code_.assign(1000, 'c');
  stored_digest_ = sha256_hex(stored_code_);
  piece_bytes_ = 300;
  Peer& a = hire("a");
  std::optional<Result<std::string>> code;
  const auto fetch = [](Membership& from, std::string digest, std::uint64_t size,
                        std::optional<Result<std::string>>& to) -> net::Task<void> {
    to = co_await from.fetch(digest, size);
  };
  const auto get = [&](const std::string& digest, std::uint64_t size) {
    code.reset();
    net::asio::co_spawn(a.core.io(), fetch(*a.membership, digest, size, code), net::asio::detached);
    settle([&code] { return code.has_value(); });
  };
  get(stored_digest_, 1000);
  ASSERT_TRUE(code && *code);
  EXPECT_EQ(**code, stored_code_);
  get(stored_digest_, 950);  // More comes than was said.
  ASSERT_FALSE(*code);
  EXPECT_EQ(code->error().code, Code::internal);
  get(std::string(64, 'f'), 10);
  ASSERT_FALSE(*code);
  EXPECT_EQ(code->error().code, Code::unavailable);
  a.dialer.stop();
  net::asio::co_spawn(a.core.io(), fetch(*a.membership, stored_digest_, 1000, code), net::asio::detached);
  code.reset();
  pass(seconds(4));
  ASSERT_TRUE(code && !*code);  // With the connection that was to bring it.
  EXPECT_EQ(code->error().code, Code::unavailable);
}

}  // namespace
}  // namespace canopy::balance
