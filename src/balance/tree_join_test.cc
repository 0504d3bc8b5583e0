// Balancers between a gateway and workers, one thing at a time: who joins, what they offer, what is lost with
// whom, loops, and how code comes down. On a fake clock and a network in memory.

#include <filesystem>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "balance/code_relay.h"
#include "balance/sim_tree.h"
#include "base/log.h"

namespace canopy::balance {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Nodes 1 to 4, of which a test starts those it wants.
class TreeJoinTest : public testing::Test {
 protected:
  TreeJoinTest() { start_log("off"); }
  void TearDown() override { tree_.reset(); }

  void plant(std::vector<std::size_t> parents, std::vector<std::uint32_t> slots) {
    parents.insert(parents.begin(), SimTree::gateway);
    slots.insert(slots.begin(), 0);
    tree_.emplace(1, SimShape{.parents = std::move(parents), .slots = std::move(slots)});
    tree_->on_begin = [this](const Call& /*call*/) { ++begun_; };
  }
  void join(std::initializer_list<std::size_t> nodes) {
    for (const std::size_t node : nodes) tree_->start(node);
    tree_->pass(seconds(1));
  }
  SimCall& call(unsigned run_time) { return tree_->begin(run_time, seconds(30)); }
  // How those below balancers ended within a while: a later one may hide an earlier one of the same name.
  std::string ends_below_balancers() {
    std::string ends;
    for (int i = 0; i < 40; ++i) {
      tree_->pass(milliseconds(100));
      for (std::size_t node = 1; node <= tree_->node_count(); ++node) {
        if (!tree_->is_there(node) || !tree_->node(node).below) continue;
        for (const Node& below : tree_->node(node).below->members->nodes()) ends += below.last_end + "\n";
      }
    }
    return ends;
  }

  std::optional<SimTree> tree_;
  int begun_ = 0;
};

TEST_F(TreeJoinTest, ABalancerOffersTheSumOfThoseBelowIt) {
  plant({SimTree::gateway, 1, 1}, {0, 4, 2});
  join({1});
  EXPECT_EQ(tree_->shown(), "node-1 ready 0\n");
  EXPECT_EQ(tree_->below->members->ready_count(), 0U);  // With nobody below it, it is no help.
  join({2, 3});
  EXPECT_EQ(tree_->shown(), "node-1 ready 6\nnode-1/node-2 ready 4\nnode-1/node-3 ready 2\n");
  EXPECT_EQ(tree_->below->members->ready_count(), 1U);
  for (int i = 0; i < 6; ++i) call(1000);
  tree_->pass(milliseconds(100));
  EXPECT_EQ(begun_, 6);
  tree_->pass(seconds(2));
  tree_->end(2);
  tree_->pass(milliseconds(100));
  EXPECT_NE(tree_->shown().find("node-1 ready 2\n"), std::string::npos) << tree_->shown();
  tree_->end(3);
  tree_->pass(milliseconds(100));
  EXPECT_EQ(tree_->below->members->ready_count(), 0U);
}

TEST_F(TreeJoinTest, ACallSaysWhichNodeItRanOnAndWhatTheWayCost) {
  plant({SimTree::gateway, 1, 2}, {0, 0, 1});
  join({1, 2, 3});
  tree_->world.network.delay_max = milliseconds(40);
  SimCall& first = call(50);
  SimCall& second = call(70);
  tree_->pass(seconds(2));
  ASSERT_TRUE(first.reply && second.reply);
  for (const SimCall* const one : {&first, &second}) {
    const Usage& usage = one->reply->usage;
    EXPECT_EQ(one->reply->node, "node-1/node-2/node-3");
    ASSERT_TRUE(usage.hop_time);
    EXPECT_GT(*usage.hop_time, Duration::zero());
    EXPECT_EQ(usage.queue_time() + *usage.hop_time + usage.start_time, usage.wait_time);
  }
  EXPECT_EQ(first.reply->usage.run_time, milliseconds(50));
  EXPECT_EQ(first.reply->usage.queue_time(), Duration::zero());
  // There is one place: what it waited for that at the gateway is no part of its way.
  EXPECT_GE(second.reply->usage.queue_time(), milliseconds(50));
}

TEST_F(TreeJoinTest, WithNobodyBelowItACallWaitsAtTheGateway) {
  plant({SimTree::gateway, 1}, {0, 1});
  join({1});
  SimCall& one = call(10);
  tree_->pass(seconds(1));
  EXPECT_FALSE(one.reply);
  join({2});
  ASSERT_TRUE(one.reply);
  EXPECT_FALSE(one.reply->error);
}

TEST_F(TreeJoinTest, WhatAWorkerBelowHadBegunIsLostAndTheOthersGoOn) {
  plant({SimTree::gateway, 1, 1}, {0, 1, 1});
  join({1, 2, 3});
  SimCall& one = call(2000);
  SimCall& other = call(2000);
  tree_->pass(milliseconds(100));
  ASSERT_EQ(begun_, 2);
  tree_->end(2);
  tree_->pass(milliseconds(200));
  const SimCall& lost = one.reply ? one : other;
  const SimCall& kept = one.reply ? other : one;
  ASSERT_TRUE(lost.reply);
  EXPECT_TRUE(lost.reply->lost);  // So a durable one is delivered again.
  EXPECT_EQ(lost.reply->error->code, Code::died);
  EXPECT_NE(lost.reply->error->message.find("node-2"), std::string::npos) << lost.reply->error->message;
  EXPECT_FALSE(kept.reply);
  tree_->pass(seconds(3));
  ASSERT_TRUE(kept.reply);
  EXPECT_FALSE(kept.reply->error);
}

TEST_F(TreeJoinTest, ABalancerThatEndsTakesWithItWhatRanBelowAndIsJoinedAgain) {
  plant({SimTree::gateway, 1}, {0, 2});
  join({1, 2});
  SimCall& lost = call(20000);
  tree_->pass(milliseconds(100));
  tree_->end(1);
  tree_->pass(seconds(1));
  ASSERT_TRUE(lost.reply);
  EXPECT_TRUE(lost.reply->lost);
  EXPECT_EQ(tree_->node(2).worker->running_count(), 0U);  // Nobody wants it any more.
  join({1});
  tree_->pass(seconds(1));
  SimCall& after = call(10);
  tree_->pass(seconds(1));
  ASSERT_TRUE(after.reply);
  EXPECT_FALSE(after.reply->error);
}

TEST_F(TreeJoinTest, ACallThatIsCancelledEndsOnItsWorker) {
  plant({SimTree::gateway, 1}, {0, 1});
  join({1, 2});
  SimCall& one = call(20000);
  tree_->pass(milliseconds(100));
  ASSERT_EQ(tree_->node(2).worker->running_count(), 1U);
  one.instance->cancel();
  tree_->pass(milliseconds(100));
  ASSERT_TRUE(one.reply);
  EXPECT_EQ(one.reply->error->code, Code::canceled);
  EXPECT_EQ(tree_->node(2).worker->running_count(), 0U);
}

// -- loops

TEST_F(TreeJoinTest, TwoThatAreBelowEachOtherAreParted) {
  plant({2, 1}, {0, 0});
  join({1, 2});
  const std::string ends = ends_below_balancers();
  EXPECT_NE(ends.find("this balancer is below it, too"), std::string::npos) << ends;
}

TEST_F(TreeJoinTest, ALoopOfThreeIsSeen) {
  plant({2, 3, 1, 3}, {0, 0, 0, 1});
  join({1, 2, 3, 4});
  const std::string ends = ends_below_balancers();
  EXPECT_NE(ends.find("this balancer is below it, too"), std::string::npos) << ends;
}

TEST_F(TreeJoinTest, ABalancerDoesNotJoinItself) {
  plant({1}, {0});
  std::optional<Error> refused;
  tree_->world.on_refused = [&refused](const Error& why) { refused = why; };
  join({1});
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->message.find("own --listen"), std::string::npos) << refused->message;
  EXPECT_TRUE(tree_->node(1).below->members->nodes().empty());
  tree_.reset();
}

// -- code

class CodeRelayTest : public TreeJoinTest {
 protected:
  CodeRelayTest()
      : code_(300'000, 'c'),
        digest_(sha256_hex(code_)),
        folder_(std::filesystem::path(testing::TempDir()) / ("relay-" + std::to_string(getpid()))) {
    plant({SimTree::gateway}, {0});
    tree_->world.read_code = [this](const wire::Want& want, const CodeRead& done) {
      ++asked_;
      if (want.digest != digest_) return done(fail(Code::not_found, "no such code"));
      done(code_.substr(want.offset, wire::code_piece_bytes_max));
    };
    std::filesystem::remove_all(folder_);
    cache_.emplace(folder_, MiB);
    join({1});
    SimNode& node = tree_->node(1);
    relay_.emplace(node.core, *node.membership, *cache_, tree_->world.disk);
  }
  ~CodeRelayTest() override { std::filesystem::remove_all(folder_); }

  struct Read {
    std::mutex mutex;
    std::optional<Result<std::string>> piece;
    bool is_done() {
      const std::lock_guard lock(mutex);
      return piece.has_value();
    }
  };
  Read& read(std::uint64_t offset, const std::string& digest, std::uint64_t size_bytes) {
    reads_.push_back(std::make_unique<Read>());
    relay_->read({.digest = digest, .offset = offset, .size_bytes = size_bytes},
                 [raw = reads_.back().get()](Result<std::string> piece) {
                   const std::lock_guard lock(raw->mutex);
                   raw->piece = std::move(piece);
                 });
    return *reads_.back();
  }
  const Result<std::string>& finished(Read& one) {
    for (int i = 0; i < 20'000 && !one.is_done(); ++i) {
      tree_->pass(milliseconds(5));
      std::this_thread::yield();
    }
    EXPECT_TRUE(one.is_done());
    return *one.piece;
  }

  const std::string code_;
  const std::string digest_;
  const std::filesystem::path folder_;
  int asked_ = 0;
  std::vector<std::unique_ptr<Read>> reads_;
  std::optional<CodeCache> cache_;
  std::optional<CodeRelay> relay_;
};

TEST_F(CodeRelayTest, CodeComesDownOnceAndIsKept) {
  Read& start = read(0, digest_, code_.size());
  Read& rest = read(wire::code_piece_bytes_max, digest_, code_.size());
  const std::string first = finished(start).value_or("");
  const std::string second = finished(rest).value_or("");
  EXPECT_EQ(first + second, code_);
  EXPECT_EQ(asked_, 2);  // Its two pieces.
  EXPECT_EQ(finished(read(0, digest_, code_.size())).value_or("").size(), wire::code_piece_bytes_max);
  EXPECT_EQ(asked_, 2);
}

TEST_F(CodeRelayTest, WhatNobodyAboveHasIsSaidSo) {
  const auto& piece = finished(read(0, sha256_hex("other"), 10));
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, Code::unavailable);
  EXPECT_NE(piece.error().message.find("no such code"), std::string::npos) << piece.error().message;
}

TEST_F(CodeRelayTest, CodeThatIsNotWhatItsDigestSaysIsNotPassedOn) {
  tree_->world.read_code = [](const wire::Want& want, const CodeRead& done) {
    done(std::string(want.size_bytes - want.offset, 'x'));
  };
  const auto& piece = finished(read(0, digest_, 1000));
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, Code::invalid);
  EXPECT_FALSE(cache_->has(digest_));
}

// Else one could keep the others below this balancer from a function's code.
TEST_F(CodeRelayTest, WhoLiesAboutItsSizeHarmsNobodyElse) {
  Read& liar = read(0, digest_, 1000);
  Read& honest = read(0, digest_, code_.size());
  Read& other = read(0, digest_, code_.size() + 1);
  EXPECT_EQ(finished(liar).error().code, Code::internal);
  EXPECT_EQ(finished(honest).value_or("").size(), wire::code_piece_bytes_max);
  EXPECT_FALSE(finished(other));
}

TEST_F(CodeRelayTest, MoreThanIsKeptIsRefusedBeforeItIsFetched) {
  const auto& piece = finished(read(0, digest_, 2 * MiB));
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, Code::limit);
  EXPECT_NE(piece.error().message.find("--code-cache"), std::string::npos);
  EXPECT_EQ(asked_, 0);
}

TEST_F(CodeRelayTest, WithoutAParentNothingIsToBeHad) {
  tree_->world.network.cut_off(1);
  tree_->pass(seconds(4));
  const auto& piece = finished(read(0, digest_, code_.size()));
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, Code::unavailable);
}

}  // namespace
}  // namespace canopy::balance
