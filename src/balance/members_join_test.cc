// Who joins and who does not, what strangers may do, and what members may say of themselves.

#include "balance/members_fixture.h"

namespace canopy::balance {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::FrameKind;

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

// Over a long way each connection takes its time, and a gateway of many cores wants many.
TEST_F(MembersTest, EachConnectionHasItsTime) {
  Peer& peer = hire("a");
  std::unique_ptr<net::FrameLink> on_its_way;
  peer.dialer.greet = [&on_its_way](std::unique_ptr<net::FrameLink> link) { on_its_way = std::move(link); };
  peer.dialer.cut();
  pass(milliseconds(500));
  for (std::size_t connection = 0; connection < 1 + cores_.size(); ++connection) {
    ASSERT_TRUE(on_its_way) << connection;
    EXPECT_EQ(peer.joined_count, 1U);
    pass(seconds(4));
    members_->greet(std::move(on_its_way), "10.0.0.7:1");
    settle();
  }
  EXPECT_EQ(peer.joined_count, 2U);
  EXPECT_EQ(shown(), "a ready\n");
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
    for (std::size_t i = 0; i < count; ++i) nodes[i].name = name + std::to_string(10'000 + i);
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

}  // namespace
}  // namespace canopy::balance
