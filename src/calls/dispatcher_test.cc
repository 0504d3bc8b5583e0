#include "calls/dispatcher.h"

#include <atomic>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "store/call_log_fixture.h"

namespace canopy::calls {
namespace {

// Keeps what it is given until the test says how it went.
class HeldRunner final : public Runner {
 public:
  struct Held {
    Work work;
    std::size_t lane = 0;
    Done done;
  };

  std::size_t lane_count() const override { return 2; }
  std::uint32_t concurrency(const FunctionName& /*function*/) const override { return 100; }
  void run(std::size_t lane, std::vector<Work> works, Done done) override {
    const std::lock_guard lock(mutex_);
    for (Work& work : works) held_.push_back({.work = std::move(work), .lane = lane, .done = done});
  }
  void cancel(CallId /*id*/) override {}

  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  std::vector<Held> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(held_, {});
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Held> held_;
};

template <class Condition>
bool eventually(const Condition& condition) {
  for (int i = 0; i < 20'000'000; ++i) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

class DispatcherTest : public testing::Test, public store::CallLogListener {
 protected:
  void start(const DispatcherOptions& options = {}) {
    dispatcher_.emplace(*log_, runner_, options, system_clock());
    dispatcher_->start();
    log_->listen(*this);
  }
  void TearDown() override {
    if (dispatcher_) dispatcher_->stop();
    log_->stop();
  }
  void on_ready() override {
    dispatcher_->wake();
    if (after_ready_) after_ready_();
  }
  void on_callback() override {}
  void on_ended(CallId, const FunctionName&, State, const std::function<DurableRecord()>&) override {}

  CallId append_one() { return append(*log_, store::call_of("demo/hello"))->id; }
  State state_of(CallId id) { return log_->find(id)->record.state; }

  FakeClock clock_;  // Outlives those that ask it.
  std::unique_ptr<store::CallLog> log_ = store::make_memory_call_log({}, system_clock());
  HeldRunner runner_;
  std::optional<Dispatcher> dispatcher_;
  std::function<void()> after_ready_;  // On the log's thread, before it tells of the batch.
};

RunEnd good_end() {
  RunEnd end;
  end.outcome = store::good_outcome(system_clock());
  return end;
}

TEST_F(DispatcherTest, HandsOutWhatWaitsAndRecordsItsEnd) {
  start();
  const CallId id = append_one();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  EXPECT_EQ(state_of(id), State::running);
  EXPECT_EQ(dispatcher_->in_flight_count(), 1U);
  for (const auto& held : runner_.take()) held.done(held.work, good_end());
  EXPECT_TRUE(eventually([&] { return state_of(id) == State::completed; }));
  EXPECT_TRUE(eventually([&] { return dispatcher_->in_flight_count() == 0; }));
}

TEST_F(DispatcherTest, SpreadsCallsOverTheLanes) {
  for (int i = 0; i < 10; ++i) append_one();
  start();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 10; }));
  std::size_t on_first = 0;
  for (const auto& held : runner_.take()) on_first += held.lane == 0 ? 1 : 0;
  EXPECT_EQ(on_first, 5U);
}

// The load of a lane once grew for ever by what was leased again while its lost attempt still ran.
TEST_F(DispatcherTest, WhatIsLeasedAgainLoadsOneLaneOnly) {
  start();
  const CallId id = append_one();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  const auto lost = runner_.take();
  EXPECT_EQ(lost.front().lane, 0U);
  ASSERT_TRUE(log_->release({id, lost.front().work.attempt}, {}));
  dispatcher_->wake();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  for (const auto& held : runner_.take()) held.done(held.work, good_end());
  ASSERT_TRUE(eventually([&] { return dispatcher_->in_flight_count() == 0; }));
  append_one();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  EXPECT_EQ(runner_.take().front().lane, 0U);
}

// The log hands a lost call out again before it has told that the loss is recorded. Once the flight of the
// next attempt was struck off with it: nobody renewed its lease then, and nobody heard of its end.
TEST_F(DispatcherTest, TheNextAttemptIsNotStruckOffWithTheLostOne) {
  start();
  const CallId id = append_one();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  const auto lost = runner_.take();
  after_ready_ = [this] { EXPECT_TRUE(eventually([&] { return runner_.count() >= 1; })); };
  RunEnd end;
  end.outcome = store::good_outcome(system_clock());
  end.outcome.error = Error{Code::died, "its worker was killed", Stage::run};
  end.outcome.lost = true;
  lost.front().done(lost.front().work, end);
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  append_one();  // When it is kept, all that was told before it has been told.
  ASSERT_TRUE(eventually([&] { return runner_.count() == 2; }));
  EXPECT_EQ(dispatcher_->in_flight_count(), 2U);
  for (const auto& held : runner_.take()) held.done(held.work, good_end());
  EXPECT_TRUE(eventually([&] { return state_of(id) == State::completed; }));
}

TEST_F(DispatcherTest, NoMoreRunThanMay) {
  for (int i = 0; i < 10; ++i) append_one();
  start({.in_flight_max = 4});
  ASSERT_TRUE(eventually([&] { return runner_.count() == 4; }));
  EXPECT_EQ(log_->stats().running_count, 4U);
  std::size_t ended = 0;
  ASSERT_TRUE(eventually([&] {
    for (const auto& held : runner_.take()) {
      held.done(held.work, good_end());
      ++ended;
    }
    return ended == 10;
  }));
}

TEST_F(DispatcherTest, WhatFoundNoPlaceIsTriedAgainAndCountsForNothing) {
  start({.busy_delay = std::chrono::milliseconds(1)});
  const CallId id = append_one();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
    for (const auto& held : runner_.take()) {
      EXPECT_EQ(held.work.attempt, 1U);
      RunEnd busy;
      busy.busy = true;
      held.done(held.work, busy);
    }
  }
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  for (const auto& held : runner_.take()) held.done(held.work, good_end());
  EXPECT_TRUE(eventually([&] { return state_of(id) == State::completed; }));
}

TEST_F(DispatcherTest, DrainingWaitsForWhatRunsAndLeavesWhatWaits) {
  start({.in_flight_max = 1});
  const CallId first = append_one();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  const CallId second = append_one();
  EXPECT_FALSE(dispatcher_->drain(std::chrono::milliseconds(1)));
  std::atomic<bool> drained = false;
  std::jthread waiter([&] { drained = dispatcher_->drain(std::chrono::seconds(60)); });
  for (const auto& held : runner_.take()) held.done(held.work, good_end());
  waiter.join();
  EXPECT_TRUE(drained);
  EXPECT_EQ(state_of(first), State::completed);
  EXPECT_EQ(state_of(second), State::queued);
}

// It once did not, and asked again and again what there was to do, without a rest.
TEST_F(DispatcherTest, DrainingStillRenewsTheLeasesOfWhatRuns) {
  const DispatcherOptions options;
  log_ = store::make_memory_call_log({}, clock_);
  dispatcher_.emplace(*log_, runner_, options, clock_);
  dispatcher_->start();
  log_->listen(*this);
  append_one();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  EXPECT_FALSE(dispatcher_->drain(std::chrono::milliseconds(1)));
  const Time lost_at = log_->sweep();
  clock_.advance(options.lease_time / 2);
  EXPECT_TRUE(eventually([&] {
    dispatcher_->wake();
    return log_->sweep() > lost_at;
  }));
  for (const auto& held : runner_.take()) held.done(held.work, good_end());
  EXPECT_TRUE(eventually([&] { return dispatcher_->in_flight_count() == 0; }));
}

TEST_F(DispatcherTest, StoppingGivesBackWhatRunsAndItsLateEndIsNotHeard) {
  start();
  const CallId id = append_one();
  ASSERT_TRUE(eventually([&] { return runner_.count() == 1; }));
  dispatcher_->stop();
  EXPECT_EQ(state_of(id), State::queued);
  for (const auto& held : runner_.take()) held.done(held.work, good_end());
  EXPECT_EQ(state_of(id), State::queued);
}

}  // namespace
}  // namespace canopy::calls
