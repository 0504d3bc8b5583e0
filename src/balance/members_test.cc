// Gateway and workers on connections in memory and a clock that stands still: joining, refusals, silence,
// calls that are pushed and pulled, and what comes too late.

#include "balance/members.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "balance/membership.h"
#include "exec/fake_runtime.h"
#include "net/frame_pair.h"
#include "wire/manifest.h"
#include "worker/remote.h"

namespace canopy::balance {
namespace {

using policy::Dispatch;
using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::FrameKind;

constexpr std::string_view good_token = "a token that nobody guesses";

// Makes connections to the members of a test, for as long as there is a way.
class FakeDialer final : public Dialer {
 public:
  net::Task<Result<std::unique_ptr<net::FrameLink>>> dial(exec::Core& /*core*/) override {
    ++dialed;
    if (!reachable) co_return fail(Code::unavailable, "nobody is there");
    lines.push_back(std::make_unique<net::FramePair>());
    greet(lines.back()->left());
    co_return lines.back()->right();
  }
  // Nothing that is on its way arrives, and nobody is told: as where a cable was cut.
  void stop() { stopped = true; }
  bool pump() {
    bool moved = false;
    for (std::size_t i = 0; i < lines.size() && !stopped; ++i) moved = lines[i]->pump() || moved;
    return moved;
  }
  void cut() {
    for (const auto& line : lines) line->cut();
  }

  std::function<void(std::unique_ptr<net::FrameLink> link)> greet;
  std::vector<std::unique_ptr<net::FramePair>> lines;
  std::size_t dialed = 0;
  bool reachable = true;
  bool stopped = false;
};

// A worker node, whole but for its sockets.
struct Peer {
  Peer(const Clock& clock, const exec::FakeRuntime::FindCode& find_code, const std::string& name,
       std::uint32_t slots, std::string_view token)
      : core(0, clock), disk(1, 100) {
    auto made = std::make_unique<exec::FakeRuntime>(find_code);
    runtime = made.get();
    runtimes.emplace("wasm", std::move(made));
    worker.emplace(
        core, runtimes, disk,
        worker::WorkerOptions{
            .slots = slots, .room = {.bytes_max = GiB, .count_max = 9}, .provider = nullptr, .asks = true});
    MembershipOptions options;
    options.name = name;
    options.token = token;
    options.slots = slots;
    options.runtimes = {"wasm"};
    options.instance = make_nonce();
    options.reconnect = {.first_delay = milliseconds(100), .delay_max = milliseconds(400)};
    options.load = [] { return wire::WorkerLoad{.resident_bytes = 4096}; };
    options.on_joined = [this] { ++joined_count; };
    options.on_failed = [this] { ++failed_count; };
    options.on_refused = [this](const Error& why) { refused = why; };
    membership.emplace(core, *worker, dialer, std::move(options));
  }

  exec::Core core;
  net::BlockingPool disk;
  exec::Runtimes runtimes;
  exec::FakeRuntime* runtime = nullptr;
  FakeDialer dialer;
  std::optional<worker::Worker> worker;
  std::optional<Membership> membership;
  std::size_t joined_count = 0;
  std::size_t failed_count = 0;
  std::optional<Error> refused;
};

struct OneCall {
  Call call;
  CallLog log{1000};
  std::unique_ptr<exec::Instance> instance;
  std::optional<Reply> reply;
};

class MembersTest : public testing::Test {
 protected:
  MembersTest() {
    function_.name = {"demo", "fake"};
    function_.version = 1;
    function_.digest = "fake";
    code_path_ = testing::TempDir() + "members-code-" + std::to_string(getpid());
    std::ofstream(code_path_) << "fake";
    MembersOptions options;
    options.token = good_token;
    options.silence_max = seconds(2);
    options.greeting_max = seconds(5);
    options.strangers_max = 4;
    options.members_max = 4;
    options.crew = {.running_max = 100, .waiting_max = 10};
    const ReadCode read = [this](const wire::Want& want, const CodeRead& done) {
      if (want.digest != stored_digest_) return done(fail(Code::not_found, "no such code"));
      done(stored_code_.substr(std::min<std::uint64_t>(want.offset, stored_code_.size()), piece_bytes_));
    };
    members_.emplace(std::move(options), std::vector<exec::Core*>{&cores_[0], &cores_[1]}, read, clock_);
    members_->listen([this](const Node& node) {
      states_ += node.name + " " + std::string(canopy::name(node.state)) + "\n";
    });
    members_->begin();
  }
  void TearDown() override {
    for (const auto& one : calls_) {
      if (!one->reply) one->instance->cancel();
    }
    settle([this] {
      return std::ranges::all_of(calls_, [](const auto& one) { return one->reply.has_value(); });
    });
    for (const auto& peer : peers_) {
      peer->dialer.reachable = false;
      peer->dialer.cut();
      peer->worker->cut();
    }
    settle([this] {
      return std::ranges::all_of(peers_, [](const auto& peer) { return peer->worker->running_count() == 0; });
    });
    for (const auto& one : calls_) one->instance.reset();
    std::remove(code_path_.c_str());
  }

  exec::FakeRuntime::FindCode find_code() {
    return [this](std::string_view) -> Result<std::filesystem::path> { return code_path_; };
  }
  void deploy(const exec::FakeFunction& function) {
    fake_ = function;
    auto local = std::make_unique<exec::FakeRuntime>(find_code());
    local_ = local.get();
    local->add("fake", function);
    runtime_ = worker::make_dispatch_runtime(
        std::move(local), members_->crews(),
        [this](const Function& function) { return members_->way_of(function); });
    template_ = *runtime_->prepare(function_);
  }
  Peer& hire(const std::string& name, std::uint32_t slots = 4, std::string_view token = good_token) {
    peers_.push_back(std::make_unique<Peer>(clock_, find_code(), name, slots, token));
    Peer& peer = *peers_.back();
    peer.dialer.greet = [this](std::unique_ptr<net::FrameLink> link) {
      members_->greet(std::move(link), "10.0.0.7:1");
    };
    peer.runtime->add("fake", fake_);
    made_.push_back(*peer.runtime->prepare(function_));
    peer.membership->begin();
    settle();
    return peer;
  }
  OneCall& begin(std::size_t core = 0, std::string_view input = {}, Duration timeout = seconds(60)) {
    calls_.push_back(std::make_unique<OneCall>());
    OneCall& one = *calls_.back();
    one.call.id = {1, calls_.size()};
    one.call.function = called_;
    one.call.queued = clock_.now();
    one.call.deadline = clock_.now() + timeout;
    one.call.input = input;
    one.call.log = &one.log;
    one.instance = template_->start(cores_[core]);
    net::asio::co_spawn(cores_[core].io(), run(one), net::asio::detached);
    cores_[core].poll();
    return one;
  }
  static net::Task<void> run(OneCall& one) {
    Reply reply = co_await one.instance->run(one.call);
    one.reply = std::move(reply);
  }

  void turn() {
    if (members_) members_->poll();
    for (exec::Core& core : cores_) core.poll();
    for (const auto& peer : peers_) {
      peer->core.poll();
      peer->dialer.pump();
    }
    for (const auto& pair : pairs_) pair->pump();
    if (members_) members_->poll();
  }
  // Everything that happens without time.
  void settle() {
    for (int i = 0; i < 40; ++i) turn();
  }
  bool settle(const std::function<bool()>& done) {
    for (int i = 0; i < 1'000'000; ++i) {
      turn();
      if (done()) return true;
      std::this_thread::yield();
    }
    return false;
  }
  void pass(Duration time, Duration step = milliseconds(100)) {
    for (; time > Duration::zero(); time -= step) {
      clock_.advance(step);
      settle();
    }
  }
  Reply finished(OneCall& one) {
    EXPECT_TRUE(settle([&one] { return one.reply.has_value(); }));
    return one.reply.value_or(Reply());
  }
  std::string shown() const {
    std::string text;
    for (const Node& node : members_->nodes()) {
      text += node.name + " " + std::string(canopy::name(node.state)) + "\n";
    }
    return text;
  }
  bool waits(const Peer& peer, std::size_t count) {
    return settle([&] { return peer.runtime->waiting_count() == count; });
  }

  FakeClock clock_;
  std::string code_path_;
  std::string stored_digest_;
  std::string stored_code_;
  std::size_t piece_bytes_ = wire::code_piece_bytes_max;
  std::array<exec::Core, 2> cores_{exec::Core(0, clock_), exec::Core(1, clock_)};
  std::string states_;
  std::optional<Members> members_;
  Function function_;
  const Function* called_ = &function_;
  exec::FakeFunction fake_;
  exec::FakeRuntime* local_ = nullptr;
  std::unique_ptr<exec::Runtime> runtime_;
  std::shared_ptr<exec::Template> template_;
  std::vector<std::shared_ptr<exec::Template>> made_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<net::FramePair>> pairs_;
  std::vector<std::unique_ptr<OneCall>> calls_;
};

const exec::FakeFunction echo{.begin = {},
                              .end = [](Call& call, Reply& reply) { reply.output = call.input; }};
const exec::FakeFunction waiting{
    .begin = {}, .waits = true, .end = [](Call& call, Reply& reply) { reply.output = call.input; }};

// -- joining

TEST_F(MembersTest, AWorkerJoinsAndConnectsToEachCore) {
  Peer& peer = hire("a");
  EXPECT_EQ(peer.joined_count, 1U);
  EXPECT_EQ(shown(), "a ready\n");
  EXPECT_EQ(states_, "a starting\na ready\n");
  EXPECT_EQ(members_->ready_count(), 1U);
  const Node node = members_->nodes().at(0);
  EXPECT_EQ(node.address, "10.0.0.7:1");
  EXPECT_EQ(node.slot_count, 4U);
  pass(seconds(1));
  EXPECT_EQ(members_->nodes().at(0).resident_bytes, 4096U);
}

TEST_F(MembersTest, AnotherTokenIsRefusedForGood) {
  Peer& peer = hire("a", 4, "a token that is another one");
  ASSERT_TRUE(peer.refused);
  EXPECT_NE(peer.refused->message.find("join token"), std::string::npos);
  EXPECT_EQ(members_->nodes().size(), 0U);
  pass(seconds(30), seconds(1));
  EXPECT_EQ(peer.dialer.dialed, 1U);
}

TEST_F(MembersTest, ANameIsForOneWorkerAtATime) {
  hire("a");
  Peer& other = hire("a");
  EXPECT_EQ(other.joined_count, 0U);
  EXPECT_FALSE(other.refused);  // It may come when the first has gone.
  EXPECT_EQ(members_->nodes().size(), 1U);
  peers_[0]->dialer.reachable = false;
  peers_[0]->dialer.cut();
  pass(seconds(3));
  EXPECT_EQ(other.joined_count, 1U);
}

TEST_F(MembersTest, MoreWorkersThanMayAreRefused) {
  for (const std::string name : {"a", "b", "c", "d"}) EXPECT_EQ(hire(name).joined_count, 1U);
  EXPECT_EQ(hire("e").joined_count, 0U);
}

TEST_F(MembersTest, AGatewayThatDoesNotKnowTheTokenGetsNoWorker) {
  Peer& peer = hire("a", 4, good_token);
  peer.dialer.cut();
  // Whoever answers now knows nothing.
  struct Impostor final : net::FrameListener {
    void on_frame(const wire::Frame& frame) override {
      if (frame.head.kind != FrameKind::join) return;
      std::string body;
      wire::write_welcome({.worker = 1, .line_count = 1, .silence_max = seconds(1)}, body);
      link->send({.kind = FrameKind::welcome}, body);
    }
    void on_closed(const std::string& /*why*/) override { closed = true; }
    std::unique_ptr<net::FrameLink> link;
    bool closed = false;
  } impostor;
  peer.dialer.greet = [&impostor](std::unique_ptr<net::FrameLink> link) {
    impostor.link = std::move(link);
    impostor.link->listen(impostor);
    std::string body;
    wire::write_challenge({.version = wire::frame_version, .nonce = make_nonce()}, body);
    impostor.link->send({.kind = FrameKind::challenge}, body);
  };
  pass(milliseconds(200), milliseconds(50));
  EXPECT_TRUE(impostor.closed);
  EXPECT_EQ(peer.joined_count, 1U);
  peer.dialer.reachable = false;
}

TEST_F(MembersTest, AGatewayWhoseCoresCannotBeReachedIsOneToTryAnotherFor) {
  Peer& peer = hire("a");
  peer.dialer.cut();
  struct Half final : net::FrameListener {  // It lets in, and takes up no further connection.
    void on_frame(const wire::Frame& frame) override {
      if (frame.head.kind != FrameKind::join) return;
      const auto join = wire::read_join(frame.body);
      std::string body;
      wire::write_welcome({.worker = 1,
                           .line_count = 2,
                           .silence_max = seconds(60),
                           .proof = welcome_proof(good_token, {.gateway = {}, .worker = join->nonce})},
                          body);
      links.front()->send({.kind = FrameKind::welcome}, body);
    }
    void on_closed(const std::string& /*why*/) override {}
    std::vector<std::unique_ptr<net::FrameLink>> links;
  } half;
  peer.dialer.greet = [&half](std::unique_ptr<net::FrameLink> link) {
    if (!half.links.empty()) return;
    half.links.push_back(std::move(link));
    half.links.front()->listen(half);
    std::string body;
    wire::write_challenge({.version = wire::frame_version, .nonce = {}}, body);
    half.links.front()->send({.kind = FrameKind::challenge}, body);
  };
  const std::size_t failed = peer.failed_count;
  pass(milliseconds(500), milliseconds(50));
  EXPECT_GT(peer.failed_count, failed);
  EXPECT_EQ(peer.joined_count, 1U);
  peer.dialer.reachable = false;
}

TEST_F(MembersTest, AGatewayOfAnotherVersionGetsNoWorker) {
  Peer& peer = hire("a");
  peer.dialer.cut();
  struct Newer final : net::FrameListener {
    void on_frame(const wire::Frame& frame) override { heard.push_back(frame.head.kind); }
    void on_closed(const std::string& /*why*/) override { closed = true; }
    std::unique_ptr<net::FrameLink> link;
    std::vector<FrameKind> heard;
    bool closed = false;
  } newer;
  peer.dialer.greet = [&newer](std::unique_ptr<net::FrameLink> link) {
    newer.link = std::move(link);
    newer.link->listen(newer);
    std::string body;
    wire::write_challenge({.version = wire::frame_version + 1, .nonce = make_nonce()}, body);
    newer.link->send({.kind = FrameKind::challenge}, body);
  };
  pass(milliseconds(200), milliseconds(50));
  EXPECT_TRUE(newer.closed);
  EXPECT_EQ(std::ranges::count(newer.heard, FrameKind::join), 0);
  peer.dialer.reachable = false;
}

// -- strangers

struct Stranger final : net::FrameListener {
  void on_frame(const wire::Frame& frame) override {
    kinds.push_back(frame.head.kind);
    if (frame.head.kind == FrameKind::challenge) nonce = wire::read_challenge(frame.body)->nonce;
  }
  void on_closed(const std::string& /*why*/) override { closed = true; }

  std::unique_ptr<net::FrameLink> link;
  std::vector<FrameKind> kinds;
  wire::Nonce nonce{};
  bool closed = false;
};

class StrangersTest : public MembersTest {
 protected:
  Stranger& come() {
    pairs_.push_back(std::make_unique<net::FramePair>());
    strangers_.push_back(std::make_unique<Stranger>());
    Stranger& stranger = *strangers_.back();
    stranger.link = pairs_.back()->right();
    stranger.link->listen(stranger);
    members_->greet(pairs_.back()->left(), "10.6.6.6:6");
    settle();
    return stranger;
  }
  // Joins as a worker of that name would, but does not go on.
  Stranger& join(const std::string& name, bool balancer = false) {
    Stranger& stranger = come();
    wire::Join join{.name = name, .slots = 1, .runtimes = {}, .program = {}, .balancer = balancer};
    join.proof = joining_proof(good_token, {.gateway = stranger.nonce, .worker = join.nonce}, name);
    std::string body;
    wire::write_join(join, body);
    stranger.link->send({.kind = FrameKind::join}, body);
    settle();
    return stranger;
  }
  // Its connection to that core; `number` is who it is, in the order of joining.
  Stranger& connect(const Stranger& member, std::uint64_t number, std::uint32_t core) {
    Stranger& line = come();
    const Sha256Digest key = line_key(good_token, {.gateway = member.nonce, .worker = {}});
    std::string body;
    wire::write_line({.worker = number, .core = core, .proof = line_proof(key, line.nonce, core)}, body);
    line.link->send({.kind = FrameKind::line}, body);
    settle();
    EXPECT_EQ(line.kinds.back(), FrameKind::welcome);
    return line;
  }
  // That so many are below it.
  static void tell_tree(const Stranger& member, const std::string& name, std::size_t count) {
    std::vector<Node> nodes(count);
    for (std::size_t i = 0; i < count; ++i) nodes[i].name = name + std::to_string(i);
    std::string body;
    wire::write_tree(nodes, body);
    member.link->send({.kind = FrameKind::tree}, body);
  }
  std::vector<std::unique_ptr<Stranger>> strangers_;
};

TEST_F(StrangersTest, OneThatSaysNothingIsNotWaitedForLong) {
  Stranger& stranger = come();
  EXPECT_EQ(stranger.kinds, std::vector{FrameKind::challenge});
  pass(seconds(4));
  EXPECT_FALSE(stranger.closed);
  pass(seconds(2));
  EXPECT_TRUE(stranger.closed);
}

TEST_F(StrangersTest, TooManyMakeRoomForTheNext) {
  for (int i = 0; i < 4; ++i) come();
  EXPECT_FALSE(strangers_[0]->closed);
  come();
  settle();
  EXPECT_TRUE(strangers_[0]->closed);
  EXPECT_EQ(hire("a").joined_count, 1U);  // A worker comes through a crowd.
}

TEST_F(StrangersTest, WhatIsNoJoinIsRefused) {
  for (const FrameKind kind :
       {FrameKind::hello, FrameKind::end, FrameKind::want, FrameKind::pong, FrameKind::setup}) {
    Stranger& stranger = come();
    stranger.link->send({.kind = kind}, "\xff");
    settle();
    EXPECT_EQ(stranger.kinds.back(), FrameKind::goaway);
    EXPECT_TRUE(stranger.closed);
  }
  Stranger& junk = come();
  junk.link->send({.kind = FrameKind::join}, "\xff\xff");
  settle();
  EXPECT_EQ(junk.kinds.back(), FrameKind::goaway);
  EXPECT_EQ(members_->nodes().size(), 0U);
}

TEST_F(StrangersTest, AWorkersFirstWordIsNoMistake) {
  Stranger& stranger = come();
  stranger.link->send({.kind = FrameKind::ping}, {});
  settle();
  EXPECT_EQ(stranger.kinds, std::vector{FrameKind::challenge});
  EXPECT_FALSE(stranger.closed);
}

TEST_F(StrangersTest, AProofIsForOneConnectionAlone) {
  Stranger& first = come();
  wire::Join join{.name = "thief", .slots = 1, .runtimes = {}, .program = {}};
  join.proof = joining_proof(good_token, {.gateway = first.nonce, .worker = join.nonce}, "thief");
  std::string body;
  wire::write_join(join, body);
  Stranger& second = come();  // Replays what it has seen on the first.
  second.link->send({.kind = FrameKind::join}, body);
  settle();
  EXPECT_EQ(second.kinds.back(), FrameKind::goaway);
  EXPECT_EQ(members_->nodes().size(), 0U);
}

TEST_F(StrangersTest, ALineNeedsTheKeyOfItsWorker) {
  hire("a");
  for (const std::uint64_t worker : {std::uint64_t{1}, std::uint64_t{77}}) {
    Stranger& stranger = come();
    std::string body;
    wire::write_line({.worker = worker, .core = 0}, body);
    stranger.link->send({.kind = FrameKind::line}, body);
    settle();
    EXPECT_EQ(stranger.kinds.back(), FrameKind::goaway);
  }
  EXPECT_EQ(shown(), "a ready\n");
}

TEST_F(StrangersTest, AMemberThatConnectsToNoCoreIsCutOff) {
  Stranger& stranger = join("half");
  EXPECT_EQ(stranger.kinds.back(), FrameKind::welcome);
  EXPECT_EQ(shown(), "half starting\n");
  for (int i = 0; i < 12; ++i) {  // It does answer.
    std::string load;
    wire::write_load({}, load);
    stranger.link->send({.kind = FrameKind::pong}, load);
    pass(milliseconds(500));
  }
  EXPECT_TRUE(stranger.closed);
  EXPECT_EQ(shown(), "half gone\n");
}

TEST_F(StrangersTest, AMemberThatWantsTooMuchIsCutOff) {
  Stranger& stranger = join("greedy");
  std::string body;
  wire::write_want({.digest = std::string(64, 'a'), .offset = 0}, body);
  for (std::uint64_t i = 0; i < 20; ++i) stranger.link->send({.kind = FrameKind::want, .call = i}, body);
  settle();
  EXPECT_TRUE(stranger.closed);
}

TEST_F(StrangersTest, OffersWithoutEndAreHeardAsOne) {
  Stranger& leaf = join("leaf", true);
  const Stranger& line = connect(leaf, 1, 0);
  connect(leaf, 1, 1);
  EXPECT_EQ(shown(), "leaf ready\n");
  states_.clear();
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    const wire::Offer offer{.number = i, .slots = i, .runtimes = {"wasm"}};
    std::string body;
    wire::write_offer(offer, body);
    line.link->send(wire::offer_head(offer), body);
  }
  settle();
  EXPECT_EQ(states_, "leaf ready\n");
  EXPECT_EQ(members_->nodes().at(0).slot_count, 1000U);
}

TEST_F(StrangersTest, NoMoreNodesAreShownThanATreeMayHave) {
  const Stranger& east = join("east", true);
  const Stranger& west = join("west", true);
  tell_tree(east, "e", 3000);
  tell_tree(west, "w", 3000);
  settle();
  pass(milliseconds(500));
  EXPECT_EQ(members_->nodes().size(), 2 + wire::tree_nodes_max);
  tell_tree(east, "e", 1);
  tell_tree(west, "w", 3000);
  settle();
  pass(milliseconds(500));
  EXPECT_EQ(members_->nodes().size(), 2U + 1 + 3000);
}

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
