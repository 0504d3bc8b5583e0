#pragma once
// Time as an argument. Only this file reads the system's clocks, so a test can hold time still.
//
// Threads: all methods may be called from any thread.

#include <atomic>
#include <chrono>

namespace canopy {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;      // For deadlines.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;  // For people and records.

inline constexpr Time never = Time::max();

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual WallTime wall_now() const = 0;
};

// The machine's clocks; lives for the whole program.
const Clock& system_clock();

// Stands still until it is moved.
class FakeClock final : public Clock {
 public:
  Time now() const override { return Time(Duration(now_.load())); }
  WallTime wall_now() const override { return WallTime(Duration(now_.load())); }
  void advance(Duration by) { now_ += by.count(); }

 private:
  std::atomic<Duration::rep> now_{1'000'000'000};
};

}  // namespace canopy
