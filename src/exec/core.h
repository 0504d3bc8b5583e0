#pragma once
// One core of the machine: its I/O loop, and the turns of the executions that run on it.
//
// A call runs on the core that accepted it, at once, until it ends, waits, or has used up its slice. Then it
// stands in the queue of its level and takes turns with the others. In each round the core serves every
// socket that is ready, starts every new call and gives one turn (of light calls, as many as take as long),
// so an endless loop delays its neighbours by one slice, and once, at its beginning, by up to two: a tick
// that comes at once does not cut a short call in pieces. The lowest level that has anybody goes first (a
// call sinks as it uses more time); one turn in eight goes to the levels above it by rotation, so that a
// heavy call still ends. While the loop is busy, the heavy levels pause after each turn for three times its
// length: they get a quarter of a busy core, and all of an idle one.
//
// Threads: run() is the core's thread, and everything else but stop() and post() belongs to it.
// Life:    every Turn has left before the core dies.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "base/clock.h"
#include "net/task.h"

namespace canopy::exec {

class Core;

// Something that takes turns on a core. The core keeps a bare pointer: leave() before it dies.
class Turn {
 public:
  virtual ~Turn() = default;

  // Runs until the end, a wait, or the end of the slice. May destroy *this.
  virtual void take() = 0;
  // Its deadline passed while it stood in a queue or waited. May destroy *this.
  virtual void expire() = 0;

 private:
  friend class Core;
  std::optional<std::size_t> level_;  // Where it stands in line, if it does.
  Time wake_at_ = never;
  Time expire_at_ = never;
  bool timed_ = false;
};

class Core {
 public:
  static constexpr std::size_t level_count = 4;

  Core(std::size_t index, const Clock& clock);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  std::size_t index() const { return index_; }
  net::asio::io_context& io() { return io_; }
  const Clock& clock() const { return clock_; }

  // Serves sockets and turns until stop().
  void run();
  // Any thread.
  void stop();
  // Runs what is ready now, at most `count_max` pieces, and returns how many: for tests on a fake clock.
  std::size_t poll(std::size_t count_max = 10'000);
  // Any thread: runs `work` on the core.
  void post(std::function<void()> work);

  // `turn` wants to run on; it is told when `deadline` passes before it does.
  void enqueue(Turn& turn, std::size_t level, Time deadline);
  // `turn` waits until `wake_at` (never: until wake()), or until its deadline.
  void suspend(Turn& turn, Time wake_at, Time deadline);
  // `turn` takes its turn soon, at the best level; nothing if it does not wait.
  void wake(Turn& turn);
  // Forgets `turn`, wherever it stands.
  void leave(Turn& turn);

  std::size_t waiting_count() const { return timers_.size() - runnable_count_; }
  std::size_t runnable_count() const { return runnable_count_; }
  // The same from another thread: who is asked to keep slices short.
  bool crowded() const { return crowded_.load(std::memory_order_relaxed); }

 private:
  void stand_in_line(Turn& turn, std::size_t level);
  void step_out(Turn& turn);
  void set_timer(Turn& turn, Time wake_at, Time expire_at);
  void drop_timer(Turn& turn);
  void request_turn();
  void take_one_turn();
  // Which of the first `level_end` levels has the next turn; level_count for none.
  std::size_t choose_level(std::size_t level_end);
  void fire_timers();
  void arm_timer();

  const std::size_t index_;
  const Clock& clock_;
  net::asio::io_context io_;
  net::asio::basic_waitable_timer<std::chrono::steady_clock,
                                  net::asio::wait_traits<std::chrono::steady_clock>, net::Executor>
      timer_;
  std::array<std::deque<Turn*>, level_count> lines_;
  std::size_t runnable_count_ = 0;
  std::uint64_t turn_count_ = 0;
  bool turn_requested_ = false;
  Time turn_requested_at_{};
  Time heavy_again_at_{};
  std::atomic<bool> crowded_{false};
  std::set<std::pair<Time, Turn*>> timers_;  // By the earlier of wake_at_ and expire_at_.
  Time armed_for_ = never;
};

}  // namespace canopy::exec
