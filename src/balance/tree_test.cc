// The whole tree on a fake clock and a fake network: a gateway, two levels of balancers and workers, under
// loss, delay, overtaking, partitions, nodes that are cut off, and nodes that end and start again. At every
// step: no attempt of a call begins twice, and nobody sends calls to one who has been silent for longer than
// may be. In the end: every call has ended, one that succeeded has run, one that is durable has succeeded,
// and all counts are back at nothing.
//
// CANOPY_SEEDS says how many seeds, CANOPY_SEED the first: it is in each message of a failure. One seed is
// one story: what happens in it is the same each time.

#include <cstdlib>

#include <gtest/gtest.h>

#include "balance/sim_tree.h"
#include "base/log.h"

namespace canopy::balance {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Three leaves below two balancers, six workers.
SimShape large() {
  return {.parents = {0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5}, .slots = {0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2}};
}
// Two leaves below one balancer, three workers: for many seeds.
SimShape small() { return {.parents = {0, 0, 1, 1, 2, 2, 3}, .slots = {0, 0, 0, 0, 2, 2, 2}}; }

constexpr Duration noticed_within = milliseconds(1700);  // A second, and what a frame may take.
constexpr Duration durable_time = seconds(60);

class Trial {
 public:
  Trial(std::uint64_t seed, SimShape shape) : tree_(seed, std::move(shape)) {
    tree_.on_begin = [this](const Call& call) {
      if (++begun_[{call.id.low, call.attempt}] > 1) fault("call " + name_of(call) + " begins twice");
    };
    tree_.world.network.on_send = [this](std::size_t from, std::size_t to, const wire::FrameHead& head) {
      story_ = policy::affinity(story_ ^ from ^ (to << 8U) ^ (static_cast<std::uint64_t>(head.kind) << 16U),
                                static_cast<std::uint64_t>(now().time_since_epoch().count()));
      if (head.kind != wire::FrameKind::open) return;
      const Time since = tree_.world.network.parted_since(from, to);
      if (since != never && now() - since > noticed_within) {
        fault("a call is sent to node " + std::to_string(to) + ", silent for too long");
      }
    };
    tree_.start_all();
    pass(milliseconds(500));
  }

  void call() {
    const auto run_time = static_cast<unsigned>(random() % 60);
    const bool durable = random() % 3 == 0;
    const Duration timeout = durable ? durable_time : milliseconds(300 + random() % 3000);
    durable_.push_back(durable);
    tree_.begin(run_time, timeout, random() % 3);
  }

  void pass(Duration time) {
    tree_.pass(time);
    // What the log of durable calls does: what is lost, or was not begun, is delivered again.
    for (std::size_t i = 0; i < tree_.calls.size(); ++i) {
      SimCall& one = *tree_.calls[i];
      if (!durable_[i] || !one.reply || !one.reply->error) continue;
      if (one.reply->lost || one.reply->unbegun) tree_.again(one, durable_time);
    }
  }

  // A while of calls and of what can go wrong.
  void trouble(int count) {
    SimNetwork& network = tree_.world.network;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t what = random() % 100;
      const std::size_t node = 1 + random() % tree_.node_count();
      if (what < 60) call();
      if (what >= 60 && what <= 61) tree_.end(node);
      if (what >= 62 && what <= 64 && !tree_.is_there(node)) tree_.start(node);
      if (what == 65 && tree_.is_there(node)) network.cut_off(node);
      if (what >= 66 && what <= 67) network.heal(node);
      if (what == 68) network.break_one();
      if (what == 69) network.delay_max = milliseconds(1 + random() % 60);
      if (what == 70 && !tree_.calls.empty()) cancel_one();
      if (what == 71) network.cut_way(tree_.parent_of(node), node);
      if (what == 72) network.cut_way(node, tree_.parent_of(node));
      if (what == 73) network.heal_ways();
      if (what == 74) network.lost_per_thousand = static_cast<std::uint32_t>(random() % 2 * 50);
      pass(milliseconds(2 + random() % 40));
    }
  }

  // Everything works again; then nothing is left of it.
  void settle() {
    SimNetwork& network = tree_.world.network;
    for (std::size_t i = 1; i <= tree_.node_count(); ++i) network.heal(i);
    network.heal_ways();
    network.delay_max = milliseconds(3);
    network.lost_per_thousand = 0;
    tree_.start_all();
    for (int i = 0; i < 12 && (i < 8 || !all_ended()); ++i) pass(milliseconds(500));
    for (std::size_t i = 0; i < tree_.calls.size(); ++i) check_end(*tree_.calls[i], durable_[i]);
    check_quiet();
    // And it works.
    SimCall& last = tree_.begin(1, seconds(10));
    durable_.push_back(false);
    pass(milliseconds(500));
    if (!last.reply || last.reply->error) fault("a call after all that fails");
  }

  void be_wrong() { tree_.world.network.canary = true; }
  const std::string& faults() const { return faults_; }
  std::size_t succeeded() const { return succeeded_; }
  std::size_t call_count() const { return tree_.calls.size(); }
  std::uint64_t story() const { return story_; }

 private:
  Time now() const { return tree_.world.clock.now(); }
  std::uint64_t random() { return tree_.world.random(); }
  static std::string name_of(const Call& call) {
    return std::to_string(call.id.low) + " (attempt " + std::to_string(call.attempt) + ")";
  }
  void fault(const std::string& what) {
    if (faults_.size() < 1000) faults_ += what + "\n";
  }

  void cancel_one() {
    const std::size_t at = random() % tree_.calls.size();
    SimCall& one = *tree_.calls[at];
    if (!one.reply && !durable_[at]) one.instance->cancel();
  }

  bool all_ended() const {
    return std::ranges::all_of(tree_.calls, [](const auto& one) { return one->reply.has_value(); });
  }

  void check_end(SimCall& one, bool durable) {
    if (!one.reply) {
      fault("call " + name_of(one.call) + " is lost");
      return one.instance->cancel();
    }
    if (one.reply->error) {
      if (durable) fault("durable call " + name_of(one.call) + " failed: " + one.reply->error->message);
      return;
    }
    ++succeeded_;
    if (begun_[{one.call.id.low, one.call.attempt}] != 1 || one.reply->output != one.input) {
      fault("call " + name_of(one.call) + " succeeded, and did not run");
    }
  }

  void check_quiet() {
    std::uint64_t slots = 0;
    std::uint64_t offered = 0;
    for (const Node& node : tree_.below->members->nodes()) {
      if (node.running_count > 0) fault(node.name + " has calls when there are none");
      if (node.name.find('/') == std::string::npos && node.state == NodeState::ready)
        offered += node.slot_count;
    }
    for (std::size_t i = 1; i <= tree_.node_count(); ++i) {
      slots += tree_.slots_of(i);
      if (tree_.node(i).worker->running_count() > 0) fault("node " + std::to_string(i) + " still runs calls");
      if (auto& below = tree_.node(i).below) check_crew(*below->members, "node " + std::to_string(i));
    }
    if (slots != offered) fault("the gateway knows of " + std::to_string(offered) + " slots");
    check_crew(*tree_.below->members, "the gateway");
  }
  void check_crew(Members& members, const std::string& whose) {
    const worker::Crew& crew = *members.crews().front();
    if (crew.running_count() + crew.waiting_count() > 0) fault(whose + " still has calls");
  }

  SimTree tree_;
  std::vector<bool> durable_;  // By call.
  std::map<std::pair<std::uint64_t, std::uint32_t>, int> begun_;
  std::string faults_;
  std::size_t succeeded_ = 0;
  std::uint64_t story_ = 0;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): one thread
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class TreeTest : public testing::Test {
 protected:
  TreeTest() { start_log("off"); }

  static void run_seeds(std::uint64_t count, SimShape (*shape)(), int troubles) {
    const std::uint64_t first = number_from("CANOPY_SEED", 1);
    count = number_from("CANOPY_SEEDS", count);
    std::size_t succeeded = 0;
    std::size_t call_count = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
      Trial trial(seed, shape());
      trial.trouble(troubles);
      trial.settle();
      ASSERT_EQ(trial.faults(), "") << "CANOPY_SEED=" << seed << " CANOPY_SEEDS=1";
      succeeded += trial.succeeded();
      call_count += trial.call_count();
    }
    EXPECT_GT(succeeded, call_count / 3);  // Else it would show nothing.
  }
};

TEST_F(TreeTest, WithoutTroubleEveryCallSucceeds) {
  Trial trial(7, large());
  for (int i = 0; i < 300; ++i) {
    trial.call();
    trial.pass(milliseconds(10));
  }
  trial.settle();
  EXPECT_EQ(trial.faults(), "");
  EXPECT_EQ(trial.succeeded(), 300U);
}

TEST_F(TreeTest, WhateverHappensNoCallIsLostAndNoneRunsTwice) { run_seeds(2000, small, 40); }
TEST_F(TreeTest, WhateverHappensInALargeOneNoCallIsLostAndNoneRunsTwice) { run_seeds(30, large, 100); }

TEST_F(TreeTest, OneSeedIsOneStory) {
  const auto tell = [](std::uint64_t seed) {
    Trial trial(seed, small());
    trial.trouble(40);
    trial.settle();
    return trial.story();
  };
  EXPECT_EQ(tell(3), tell(3));
  EXPECT_NE(tell(3), tell(4));
}

TEST_F(TreeTest, ABugThatIsSwitchedOnIsCaught) {
  std::string faults;
  for (std::uint64_t seed = 1; seed < 200 && faults.empty(); ++seed) {
    Trial trial(seed, large());
    trial.be_wrong();
    trial.trouble(100);
    trial.settle();
    faults = trial.faults();
  }
  EXPECT_NE(faults.find("begins twice"), std::string::npos) << faults;
}

}  // namespace
}  // namespace canopy::balance
