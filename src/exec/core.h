#pragma once
// One core of the machine: its I/O loop, and the turns of the executions that run on it.
//
// A call runs on the core that accepted it, at once, until it ends, waits, or has used up its slice. Then it
// stands in a queue of its level and takes turns with the others: sockets and new calls go first, then one
// slice of the best level that has anybody. An execution that uses up its slices sinks a level, where slices
// are shorter and turns rarer, so an endless loop delays its neighbours by one short slice; every level is
// served at least once in a bounded number of turns, so a heavy call still ends.
//
// Threads: run() is the core's thread; everything but stop() and post() belongs to it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "net/task.h"

namespace canopy::exec {

// Something that takes turns on a core. The core keeps a bare pointer: leave() before it dies.
class Turn {
 public:
  virtual ~Turn() = default;

  // Runs until the end, a wait, or the end of the slice. May destroy *this.
  virtual void take() = 0;
  // Its deadline passed while it waited for its turn or for a wake-up. May destroy *this.
  virtual void expire() = 0;

 private:
  friend class Core;
  static constexpr std::size_t nowhere = ~std::size_t{0};
  std::size_t queued_level_ = nowhere;
  Time wake_at_ = never;
  Time expire_at_ = never;
};

struct CoreOptions {
  std::size_t index = 0;
  Duration sweep_period = std::chrono::milliseconds(1);  // How late a deadline may be noticed.
};

class Core {
 public:
  static constexpr std::size_t level_count = 4;

  Core(CoreOptions options, const Clock& clock);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  std::size_t index() const { return options_.index; }
  net::asio::io_context& io() { return io_; }
  const Clock& clock() const { return clock_; }

  // Serves sockets and turns until stop().
  void run();
  void stop();
  // Runs whatever is ready now and returns: for tests on a fake clock.
  std::size_t poll();

  // Any thread: runs `work` on the core.
  void post(std::function<void()> work);

  // `turn` wants to run on; it is told when `deadline` passes before that.
  void enqueue(Turn& turn, std::size_t level, Time deadline);
  // `turn` waits until `wake_at` (never: until wake()), or until its deadline.
  void suspend(Turn& turn, Time wake_at, Time deadline);
  void wake(Turn& turn);
  // Forgets `turn`, wherever it stands.
  void leave(Turn& turn);

  std::size_t waiting_count() const { return timers_.size(); }
  std::size_t runnable_count() const { return runnable_count_; }

 private:
  bool take_one_turn();
  void fire_timers();
  void arm_timer();
  void set_timer(Turn& turn, Time wake_at, Time expire_at);
  void drop_timer(Turn& turn);

  const CoreOptions options_;
  const Clock& clock_;
  net::asio::io_context io_;
  net::asio::basic_waitable_timer<std::chrono::steady_clock> timer_;
  std::array<std::deque<Turn*>, level_count> queues_;
  std::size_t runnable_count_ = 0;
  std::uint64_t turn_number_ = 0;
  std::set<std::pair<Time, Turn*>> timers_;  // By the earlier of wake_at and expire_at.
  Time armed_for_ = never;
  std::atomic<bool> stopping_{false};
};

}  // namespace canopy::exec
