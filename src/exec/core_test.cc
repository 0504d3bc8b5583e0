#include "exec/core.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::exec {
namespace {

using std::chrono::milliseconds;

// Writes its name into a story at each turn, and stands in line again as often as it is told.
class Actor final : public Turn {
 public:
  Actor(Core& core, std::string name, std::string& story)
      : core_(core), name_(std::move(name)), story_(story) {}
  ~Actor() override { core_.leave(*this); }

  void take() override {
    story_ += name_;
    if (on_turn) on_turn();
    if (turns_left > 0) {
      --turns_left;
      core_.enqueue(*this, level, deadline);
    }
  }
  void expire() override { story_ += name_ + "!"; }

  int turns_left = 0;
  std::size_t level = 0;
  Time deadline = never;
  std::function<void()> on_turn;

 private:
  Core& core_;
  std::string name_;
  std::string& story_;
};

class CoreTest : public testing::Test {
 protected:
  FakeClock clock_;
  Core core_{0, clock_};
  std::string story_;
};

TEST_F(CoreTest, GivesTurnsInOrderWithinALevel) {
  Actor a(core_, "a", story_), b(core_, "b", story_);
  a.turns_left = b.turns_left = 2;
  core_.enqueue(a, 0, never);
  core_.enqueue(b, 0, never);
  core_.poll();
  EXPECT_EQ(story_, "ababab");
  EXPECT_EQ(core_.runnable_count(), 0);
}

TEST_F(CoreTest, PrefersTheLowerLevelButStarvesNobody) {
  Actor light(core_, "l", story_), heavy(core_, "H", story_);
  light.turns_left = 100;
  heavy.turns_left = 3;
  heavy.level = 3;
  core_.enqueue(heavy, 3, never);
  core_.enqueue(light, 0, never);
  core_.poll();
  EXPECT_EQ(story_.substr(0, 5), "lllll");
  EXPECT_LT(story_.rfind('H'), story_.size() - 1) << "the heavy one ended while the light one went on";
}

// A socket that is always ready, and a crowd of light calls behind it.
TEST_F(CoreTest, LightTurnsGetAsMuchOfARoundAsTheSocketsHad) {
  std::vector<std::unique_ptr<Actor>> crowd;
  for (int i = 0; i < 4; ++i) {
    crowd.push_back(std::make_unique<Actor>(core_, "l", story_));
    crowd.back()->turns_left = 100;
    crowd.back()->on_turn = [this] { clock_.advance(milliseconds(1)); };
  }
  int rounds = 0;
  std::function<void()> socket = [&] {
    story_ += 's';
    clock_.advance(milliseconds(3));
    if (++rounds < 5) core_.post(socket);
  };
  core_.post([&] {  // After the first turn has been asked for.
    core_.post(socket);
  });
  for (auto& light : crowd) core_.enqueue(*light, 0, never);
  core_.poll(12);
  EXPECT_EQ(story_, "lslllslllslllslllslll");
}

// A socket that is always ready, and one heavy call beside it.
TEST_F(CoreTest, HeavyTurnsGetAQuarterOfABusyCore) {
  Duration heavy_time{}, socket_time{};
  Actor heavy(core_, "H", story_);
  heavy.level = 1;
  heavy.turns_left = 1'000;
  heavy.on_turn = [&] {
    clock_.advance(milliseconds(1));
    heavy_time += milliseconds(1);
  };
  int rounds_left = 1'000;
  std::function<void()> serve = [&] {
    clock_.advance(std::chrono::microseconds(100));
    socket_time += std::chrono::microseconds(100);
    if (--rounds_left > 0) core_.post(serve);
  };
  core_.enqueue(heavy, 1, never);
  core_.post(serve);
  while (rounds_left > 0) ASSERT_EQ(core_.poll(1), 1);
  EXPECT_GT(heavy_time * 10, (heavy_time + socket_time) * 2);
  EXPECT_LT(heavy_time * 10, (heavy_time + socket_time) * 3);
}

TEST_F(CoreTest, HeavyTurnsGetAllOfAnIdleCore) {
  Actor heavy(core_, "H", story_);
  heavy.level = 3;
  heavy.turns_left = 99;
  heavy.on_turn = [&] { clock_.advance(milliseconds(1)); };
  const Time before = clock_.now();
  core_.enqueue(heavy, 3, never);
  EXPECT_EQ(core_.poll(), 100) << "no round went by without a turn";
  EXPECT_EQ(clock_.now() - before, milliseconds(100));
}

TEST_F(CoreTest, ServesTheLoopBetweenTwoTurns) {
  Actor loop(core_, "L", story_);
  loop.turns_left = 20;
  core_.enqueue(loop, 0, never);
  core_.post([this] {
    story_ += "1";
    core_.post([this] { story_ += "2"; });
  });
  core_.poll();
  EXPECT_EQ(story_.substr(0, 4), "L1L2");
}

TEST_F(CoreTest, WakesASleeperAtItsTime) {
  Actor sleeper(core_, "s", story_);
  core_.suspend(sleeper, clock_.now() + milliseconds(10), never);
  core_.poll();
  EXPECT_EQ(story_, "");
  EXPECT_EQ(core_.waiting_count(), 1);
  clock_.advance(milliseconds(10));
  core_.poll();
  EXPECT_EQ(story_, "s");
  EXPECT_EQ(core_.waiting_count(), 0);
}

TEST_F(CoreTest, ExpiresWhoeverWaitsPastItsDeadline) {
  Actor sleeper(core_, "s", story_), runner(core_, "r", story_);
  core_.suspend(sleeper, never, clock_.now() + milliseconds(5));
  core_.enqueue(runner, 0, clock_.now() + milliseconds(5));
  clock_.advance(milliseconds(5));
  core_.poll();
  EXPECT_TRUE(story_ == "s!r!" || story_ == "r!s!") << story_;
}

TEST_F(CoreTest, WakeBringsBackOnlyThoseWhoWait) {
  Actor a(core_, "a", story_);
  core_.wake(a);
  core_.suspend(a, never, never);
  core_.wake(a);
  core_.wake(a);
  core_.poll();
  EXPECT_EQ(story_, "a");
}

TEST_F(CoreTest, ForgetsWhoeverLeaves) {
  {
    Actor a(core_, "a", story_), b(core_, "b", story_);
    core_.enqueue(a, 1, never);
    core_.suspend(b, clock_.now(), never);
  }
  core_.poll();
  EXPECT_EQ(story_, "");
}

}  // namespace
}  // namespace canopy::exec
