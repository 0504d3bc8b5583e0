// A crew of balancers and of many: what each says is written by hand, so that it can be as wrong or as late
// as may be. On a fake clock and connections in memory.

#include <algorithm>
#include <deque>
#include <optional>

#include <gtest/gtest.h>

#include "net/frame_pair.h"
#include "wire/node_frames.h"
#include "worker/crew.h"
#include "worker/remote.h"

namespace canopy::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::FrameKind;

// One that joined, as its own side of the connection has it.
struct Child final : net::FrameListener {
  void on_frame(const wire::Frame& frame) override {
    if (frame.head.kind != FrameKind::open) return;
    opened.push_back(frame.head.call);
  }
  void on_closed(const std::string& /*why*/) override {}

  void offer(std::uint32_t slots, std::vector<std::string> runtimes = {"wasm"}) {
    const wire::Offer now{.number = ++offers, .slots = slots, .runtimes = std::move(runtimes)};
    std::string body;
    wire::write_offer(now, body);
    link->send(wire::offer_head(now), body);
  }
  void warm(std::uint64_t key, bool is_warm = true) {
    wire::WarmChange change;
    (is_warm ? change.added : change.removed).push_back(key);
    std::string body;
    wire::write_warm(change, body);
    link->send({.kind = FrameKind::warm}, body);
  }
  // The call that it got first.
  std::uint64_t take() {
    const std::uint64_t call = opened.front();
    opened.pop_front();
    return call;
  }
  void refuse() { link->send({.kind = FrameKind::refuse, .call = take()}, {}); }
  void end(const Reply& reply, std::uint8_t flags = wire::end_asks) {
    std::string body;
    wire::write_end(reply, {}, 0, body);
    link->send({.kind = FrameKind::end, .flags = flags, .call = take()}, body);
  }

  net::FramePair pair;
  std::unique_ptr<net::FrameLink> link;
  std::shared_ptr<Colleague> colleague;
  std::deque<std::uint64_t> opened;
  std::uint32_t offers = 0;
};

struct OneCall {
  Call call;
  CallLog log{100};
  std::unique_ptr<exec::Instance> instance;
  std::optional<Reply> reply;
};

class CrewOfManyTest : public testing::Test {
 protected:
  CrewOfManyTest() {
    function_.name = {"demo", "one"};
    function_.digest = "one";
    function_.runtime = "wasm";
    other_.name = {"demo", "two"};
    other_.digest = "two";
    other_.runtime = "wasm";
  }
  void TearDown() override {
    for (const auto& one : calls_) one->instance.reset();
    made_.clear();
    for (const auto& child : children_) {
      if (crew_) crew_->cut(child->colleague->number, "is gone");
    }
  }

  void open(CrewOptions options) {
    options.on_offer = [this](WorkerNumber worker, const wire::Offer& offer) {
      told_.emplace_back(worker, offer.slots);
    };
    crew_.emplace(core_, options, [this](WorkerNumber, const std::string& why) { broken_.push_back(why); });
    runtime_ = make_relay_runtime(core_, *crew_);
  }

  Child& join(std::uint32_t slots, bool balancer) {
    children_.push_back(std::make_unique<Child>());
    Child& child = *children_.back();
    child.colleague = std::make_shared<Colleague>();
    child.colleague->number = children_.size();
    child.colleague->joined = true;
    child.colleague->balancer = balancer;
    child.colleague->set_slots(slots);
    child.link = child.pair.right();
    child.link->listen(child);
    crew_->attach(child.colleague, child.pair.left());
    std::string body;
    wire::write_hello({.version = wire::frame_version, .credit = 1000, .process = 1}, body);
    child.link->send({.kind = FrameKind::hello}, body);
    settle();
    return child;
  }

  OneCall& begin(const Function& function, Duration timeout = seconds(10)) {
    calls_.push_back(std::make_unique<OneCall>());
    OneCall& one = *calls_.back();
    auto& made = made_[function.digest];
    if (!made) made = runtime_->find(function);
    one.call.id = {1, calls_.size()};
    one.call.function = &function;
    one.call.queued = clock_.now();
    one.call.deadline = clock_.now() + timeout;
    one.call.log = &one.log;
    one.instance = made->start(core_);
    net::asio::co_spawn(core_.io(), run(one), net::asio::detached);
    settle();
    return one;
  }
  OneCall& begin() { return begin(function_); }
  static net::Task<void> run(OneCall& one) {
    Reply reply = co_await one.instance->run(one.call);
    one.reply = std::move(reply);
  }

  void settle() {
    for (int i = 0; i < 5; ++i) {
      core_.poll();
      for (const auto& child : children_) child->pair.pump();
    }
    core_.poll();
  }
  void pass(Duration time) {
    clock_.advance(time);
    settle();
  }
  // Who has calls: "1 4" for the first and the fourth.
  std::string busy() const {
    std::string text;
    for (const auto& child : children_) {
      if (!child->opened.empty())
        text += (text.empty() ? "" : " ") + std::to_string(child->colleague->number);
    }
    return text;
  }

  FakeClock clock_;
  exec::Core core_{0, clock_};
  Function function_;
  Function other_;
  std::vector<std::unique_ptr<Child>> children_;
  std::vector<std::pair<WorkerNumber, std::uint32_t>> told_;
  std::vector<std::string> broken_;  // Why, of each that the crew did not believe.
  std::optional<Crew> crew_;
  std::unique_ptr<exec::Runtime> runtime_;
  std::map<std::string, std::shared_ptr<exec::Template>> made_;
  std::vector<std::unique_ptr<OneCall>> calls_;
};

// A gateway's, or a server's: who has no place waits here.
const CrewOptions waits{.running_max = 1000, .waiting_max = 100};

TEST_F(CrewOfManyTest, ABalancerGetsNothingBeforeItOffersSomething) {
  open(waits);
  Child& leaf = join(0, true);
  OneCall& one = begin();
  EXPECT_EQ(busy(), "");
  leaf.offer(0);
  settle();
  EXPECT_EQ(busy(), "");
  leaf.offer(2, {"js"});  // Of another runtime.
  settle();
  EXPECT_EQ(busy(), "");
  leaf.offer(2);
  settle();
  EXPECT_EQ(busy(), "1");
  leaf.end({});
  settle();
  ASSERT_TRUE(one.reply);
  EXPECT_FALSE(one.reply->error);
  EXPECT_EQ(told_.size(), 3U);
}

// Parts of a second that a child says of itself, and what is made of them.
struct Told {
  int queue = 0;
  int start = 0;
  int run = 0;
};

TEST_F(CrewOfManyTest, WhatIsLeftOfACallsTimeIsItsHop) {
  open(waits);
  Child& child = join(8, false);
  child.colleague->name = "one";
  const auto usage_of = [&](const Told& told) {
    OneCall& one = begin();
    pass(milliseconds(1000));
    Reply reply;
    reply.usage = {.wait_time = milliseconds(told.queue + told.start),
                   .start_time = milliseconds(told.start),
                   .run_time = milliseconds(told.run)};
    child.end(reply);
    settle();
    EXPECT_EQ(one.reply->node, "one");
    const Usage usage = one.reply->usage;
    EXPECT_EQ(usage.wait_time + usage.run_time, milliseconds(1000));
    EXPECT_EQ(usage.queue_time() + *usage.hop_time + usage.start_time, usage.wait_time);
    return usage;
  };
  Usage usage = usage_of({.queue = 100, .start = 200, .run = 400});
  EXPECT_EQ(usage.queue_time(), milliseconds(100));
  EXPECT_EQ(usage.hop_time, milliseconds(300));
  EXPECT_EQ(usage.start_time, milliseconds(200));
  EXPECT_EQ(usage.run_time, milliseconds(400));
  // As one that knows no starts.
  usage = usage_of({.queue = 300, .run = 400});
  EXPECT_EQ(usage.queue_time(), milliseconds(300));
  EXPECT_EQ(usage.hop_time, milliseconds(300));
  // Nobody takes longer than the call was away.
  usage = usage_of({.queue = 1, .start = 1, .run = 5000});
  EXPECT_EQ(usage.run_time, milliseconds(1000));
  EXPECT_EQ(usage.hop_time, Duration::zero());
  EXPECT_EQ(usage.start_time, Duration::zero());
  usage = usage_of({.queue = 5000, .start = 5000, .run = 400});
  EXPECT_EQ(usage.start_time, milliseconds(600));
  EXPECT_EQ(usage.queue_time(), Duration::zero());
  EXPECT_EQ(usage.hop_time, Duration::zero());
}

TEST_F(CrewOfManyTest, OnlyABalancerSaysWhichNodeACallRanOn) {
  open(waits);
  for (const bool balancer : {false, true}) {
    for (const std::string below : {"", "leaf/two", "../etc", "a b"}) {
      Child& child = join(8, balancer);
      child.colleague->name = "mid";
      if (balancer) child.offer(8);
      settle();
      OneCall& one = begin();
      ASSERT_EQ(child.opened.size(), 1U);
      Reply reply;
      reply.node = below;
      child.end(reply);
      settle();
      ASSERT_TRUE(one.reply);
      EXPECT_FALSE(one.reply->error);
      EXPECT_EQ(one.reply->node, balancer && below == "leaf/two" ? "mid/leaf/two" : "mid") << below;
      crew_->cut(child.colleague->number, "is gone");
    }
  }
}

TEST_F(CrewOfManyTest, ABalancerGetsNoMoreThanItOffers) {
  open(waits);
  Child& leaf = join(2, true);
  leaf.offer(2);
  settle();
  for (int i = 0; i < 5; ++i) begin();
  EXPECT_EQ(leaf.opened.size(), 2U);
  EXPECT_EQ(crew_->waiting_count(), 3U);
  leaf.offer(1);  // A worker of two has gone: nothing is taken back, and nothing comes to it.
  leaf.end({});
  settle();
  EXPECT_EQ(leaf.opened.size(), 1U);
  leaf.offer(4);
  settle();
  EXPECT_EQ(leaf.opened.size(), 4U);
}

TEST_F(CrewOfManyTest, WhatABalancerRefusesGoesElsewhereAtOnce) {
  open(waits);
  Child& a = join(8, true);
  Child& b = join(8, true);
  a.offer(8);
  b.offer(8);
  a.warm(policy::hash_of(function_.digest));
  settle();
  begin();
  ASSERT_EQ(busy(), "1");
  a.refuse();
  settle();
  EXPECT_EQ(busy(), "2");
  // For a moment it is not asked again for that function; for others it is.
  begin();
  EXPECT_EQ(b.opened.size(), 2U);
  a.warm(policy::hash_of(other_.digest));
  settle();
  begin(other_);
  EXPECT_EQ(a.opened.size(), 1U);
  pass(milliseconds(101));
  begin();
  EXPECT_EQ(a.opened.size(), 2U);
}

// It has the least to do, and would have every call again and again.
TEST_F(CrewOfManyTest, AWorkerThatRefusesWhatItAskedForDoesNotKeepItFromTheOthers) {
  open(waits);
  Child& a = join(8, false);
  Child& b = join(8, false);
  begin();
  Child& had_it = a.opened.empty() ? b : a;
  Child& other = a.opened.empty() ? a : b;
  had_it.refuse();
  settle();
  EXPECT_EQ(had_it.opened.size(), 0U);
  EXPECT_EQ(other.opened.size(), 1U);
}

// Each such frame was a line in the log.
TEST_F(CrewOfManyTest, WhoSaysWhatMakesNoSenseIsNotHeardAnyMore) {
  open(waits);
  for (const FrameKind kind : {FrameKind::setup, FrameKind::offer, FrameKind::warm, FrameKind::hello}) {
    broken_.clear();
    Child& child = join(8, false);
    OneCall& one = begin();
    ASSERT_EQ(child.opened.size(), 1U);
    for (int i = 0; i < 100; ++i) child.link->send({.kind = kind}, "\xff");
    child.end({});  // Too late.
    settle();
    EXPECT_EQ(broken_.size(), 1U) << static_cast<int>(kind);
    EXPECT_FALSE(one.reply);
    crew_->ended(child.colleague->number, "is gone");
    settle();
    ASSERT_TRUE(one.reply);
    EXPECT_EQ(one.reply->error->code, Code::died);
  }
}

TEST_F(CrewOfManyTest, WhatEverybodyRefusesWaitsAndIsOfferedAgain) {
  open(waits);
  Child& a = join(8, true);
  a.offer(8);
  settle();
  OneCall& one = begin();
  a.refuse();
  settle();
  EXPECT_EQ(busy(), "");
  EXPECT_EQ(crew_->waiting_count(), 1U);
  EXPECT_FALSE(one.reply);
  // It says something new: there may be a place now.
  a.offer(9);
  settle();
  EXPECT_EQ(busy(), "1");
  a.refuse();
  settle();
  EXPECT_EQ(busy(), "");
  pass(milliseconds(101));
  EXPECT_EQ(busy(), "1");
  EXPECT_EQ(a.colleague->running_count, 1U);
}

TEST_F(CrewOfManyTest, ABalancersOwnCrewGivesBackWhatItHasNoPlaceFor) {
  open({.running_max = 1000, .waiting_max = 0, .refuses = true});
  OneCall& nobody = begin();
  ASSERT_TRUE(nobody.reply);
  EXPECT_TRUE(nobody.reply->unbegun);
  EXPECT_EQ(nobody.reply->error->code, Code::unavailable);
  Child& worker = join(1, false);
  OneCall& first = begin();
  OneCall& second = begin();
  EXPECT_FALSE(first.reply);
  ASSERT_TRUE(second.reply);
  EXPECT_TRUE(second.reply->unbegun);
  // What its worker hands back goes up, too.
  worker.refuse();
  settle();
  ASSERT_TRUE(first.reply);
  EXPECT_TRUE(first.reply->unbegun);
  EXPECT_EQ(crew_->running_count() + crew_->waiting_count(), 0U);
}

TEST_F(CrewOfManyTest, ALossFurtherDownIsALossHere) {
  open(waits);
  Child& leaf = join(2, true);
  leaf.offer(2);
  settle();
  OneCall& lost = begin();
  OneCall& failed = begin();
  Reply reply;
  reply.error = Error{Code::died, "the worker process that ran it is gone", Stage::run};
  leaf.end(reply, wire::end_asks | wire::end_lost);
  leaf.end(reply);
  settle();
  ASSERT_TRUE(lost.reply && failed.reply);
  EXPECT_TRUE(lost.reply->lost);
  EXPECT_FALSE(failed.reply->lost);
  EXPECT_EQ(lost.reply->error->code, Code::died);
}

TEST_F(CrewOfManyTest, OneThatSucceededIsNotLostWhateverItsWorkerSays) {
  open(waits);
  Child& leaf = join(1, true);
  leaf.offer(1);
  settle();
  OneCall& one = begin();
  leaf.end({}, wire::end_lost);
  settle();
  ASSERT_TRUE(one.reply);
  EXPECT_FALSE(one.reply->lost || one.reply->error);
}

TEST_F(CrewOfManyTest, WhoIsSilentGetsNoCallsUntilItSpeaks) {
  open(waits);
  Child& a = join(4, true);
  a.offer(4);
  a.colleague->silent = true;
  settle();
  begin();
  EXPECT_EQ(busy(), "");
  a.colleague->silent = false;
  crew_->serve_waiting();
  settle();
  EXPECT_EQ(busy(), "1");
}

TEST_F(CrewOfManyTest, AmongManyACallFindsTheOnlyPlace) {
  open(waits);
  for (int i = 0; i < 60; ++i) join(1, false);
  for (int i = 0; i < 60; ++i) begin(i % 2 == 0 ? function_ : other_);
  for (const auto& child : children_) EXPECT_EQ(child->opened.size(), 1U);
  OneCall& waiting = begin();
  EXPECT_EQ(crew_->waiting_count(), 1U);
  children_[41]->end({});
  settle();
  EXPECT_EQ(children_[41]->opened.size(), 1U);
  EXPECT_EQ(crew_->waiting_count(), 0U);
  EXPECT_FALSE(waiting.reply);
}

TEST_F(CrewOfManyTest, AmongManyACallGoesWhereItsFunctionIsLoaded) {
  open(waits);
  for (int i = 0; i < 60; ++i) join(2, false);
  children_[37]->warm(policy::hash_of(function_.digest));
  settle();
  EXPECT_EQ(crew_->warm_keys().size(), 1U);
  begin();
  EXPECT_EQ(busy(), "38");
  children_[37]->warm(policy::hash_of(function_.digest), false);
  settle();
  EXPECT_TRUE(crew_->warm_keys().empty());
}

TEST_F(CrewOfManyTest, AmongManyOneThatLeavesIsForgotten) {
  open(waits);
  for (int i = 0; i < 20; ++i) join(1, false);
  children_[7]->warm(policy::hash_of(function_.digest));
  settle();
  crew_->cut(8, "is gone");
  EXPECT_TRUE(crew_->warm_keys().empty());
  for (int i = 0; i < 19; ++i) begin();
  EXPECT_TRUE(children_[7]->opened.empty());
  EXPECT_EQ(crew_->waiting_count(), 0U);
}

TEST_F(CrewOfManyTest, AmongManyEachHasItsTurn) {
  CrewOptions options = waits;
  options.placement = policy::Placement::round_robin;
  open(options);
  for (int i = 0; i < 25; ++i) join(4, false);
  for (int i = 0; i < 50; ++i) begin();
  for (const auto& child : children_) EXPECT_EQ(child->opened.size(), 2U) << child->colleague->number;
}

TEST_F(CrewOfManyTest, AmongManyTheLastOneGoesOnWhileItHasRoom) {
  CrewOptions options = waits;
  options.placement = policy::Placement::most_recently_used;
  open(options);
  for (int i = 0; i < 25; ++i) join(4, false);
  for (int i = 0; i < 4; ++i) begin();
  EXPECT_EQ(std::ranges::count_if(children_, [](const auto& child) { return !child->opened.empty(); }), 1);
  begin();
  EXPECT_EQ(std::ranges::count_if(children_, [](const auto& child) { return !child->opened.empty(); }), 2);
}

TEST_F(CrewOfManyTest, AmongManyAFunctionStaysWithOneByItsHash) {
  CrewOptions options = waits;
  options.placement = policy::Placement::consistent_hash;
  open(options);
  for (int i = 0; i < 25; ++i) join(8, false);
  for (int i = 0; i < 8; ++i) begin();
  EXPECT_EQ(std::ranges::count_if(children_, [](const auto& child) { return !child->opened.empty(); }), 1);
}

// -- what is wrong

TEST_F(CrewOfManyTest, ACallThatIsGivenBackWithAPartOfItsOutputGoesToNobodyElse) {
  open(waits);
  Child& first = join(1, true);
  first.offer(1);
  settle();
  OneCall& one = begin();
  Child& second = join(1, true);
  second.offer(1);
  settle();
  first.link->send({.kind = FrameKind::data, .call = first.opened.front()}, "half of it");
  first.refuse();
  settle();
  ASSERT_TRUE(one.reply && one.reply->error);
  EXPECT_EQ(one.reply->error->code, Code::died);
  EXPECT_TRUE(one.reply->lost);
  EXPECT_TRUE(second.opened.empty());
}

// Each of a call's hops knows what it waited on all of them; its time is put off once.
TEST_F(CrewOfManyTest, ADurableCallsWaitIsNotCountedOnEachHop) {
  open(waits);
  Child& leaf = join(1, true);
  leaf.offer(1);
  settle();
  OneCall one;
  made_[function_.digest] = runtime_->find(function_);
  one.call.function = &function_;
  one.call.queued = clock_.now() - seconds(40);
  one.call.put_off_until = clock_.now();  // As it came, forty seconds are in its deadline already.
  one.call.deadline = clock_.now() + seconds(5);
  one.call.deadline_latest = clock_.now() + seconds(600);
  one.call.log = &one.log;
  one.instance = made_[function_.digest]->start(core_);
  net::asio::co_spawn(core_.io(), run(one), net::asio::detached);
  settle();
  ASSERT_EQ(leaf.opened.size(), 1U);
  EXPECT_EQ(one.call.deadline - clock_.now(), seconds(5));
  leaf.end({});
  settle();
  EXPECT_TRUE(one.reply);
}

}  // namespace
}  // namespace canopy::worker
