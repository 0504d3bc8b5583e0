#pragma once
// How many workers should run. A rule is asked from time to time with what is known of the fleet, and answers
// with a number; to start and to drain workers is the caller's business.
//
//   target-delay  what waits should have begun within a delay that is set; the default
//   doubling      twice as many above 32 waiting calls, half as many below 2
//
// Missing data never means idle: without a count of the waiting nothing changes.
//
// Source: target-delay is Little's law. Calls that run occupy their slots; `waiting` calls of mean run time
// `m` begin within the delay `d` if `waiting * m / d` slots more work on them.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::policy {

enum class ScaleRule { target_delay, doubling };

// "target-delay" and "doubling".
std::string_view to_text(ScaleRule rule);
Result<ScaleRule> parse_scale_rule(std::string_view text);

struct ScaleSettings {
  ScaleRule rule = ScaleRule::target_delay;
  std::uint32_t worker_min = 1;
  std::uint32_t worker_max = 64;  // Not below worker_min.

  // For target-delay.
  Duration delay = std::chrono::seconds(1);
  Duration cool_down = std::chrono::seconds(30);  // Nothing is taken away that was needed within this time.
};

// What is known of a fleet at one moment.
struct FleetLoad {
  Time now{};
  std::optional<std::uint64_t> waiting_count;  // Calls in the queue.
  std::optional<std::uint64_t> running_count;
  std::optional<Duration> mean_run_time;    // Of calls that ended lately.
  std::optional<Duration> start_time = {};  // From the start of a worker until it takes calls.
  std::optional<double> busy_cores = {};    // Time that all workers took of the machine's cores, per second.
  std::uint32_t slots_per_worker = 1;
  std::uint32_t worker_count = 0;  // Those that are ready and those that start; not those that drain.
};

class Scaler {
 public:
  explicit Scaler(const ScaleSettings& settings) : settings_(settings) {}

  // How many workers there should be: worker_min to worker_max.
  std::uint32_t decide(const FleetLoad& load);

  // How long after one decision the next is due.
  Duration period() const;

 private:
  std::uint32_t decide_by_delay(const FleetLoad& load);
  // The most that was needed within the cool-down, `needed` now included.
  std::uint32_t most_needed(Time now, std::uint32_t needed);

  const ScaleSettings settings_;
  // The highest need of the present half of the cool-down and of the two halves before it.
  std::array<std::uint32_t, 3> peaks_{};
  std::optional<Time> half_began_;
};

}  // namespace canopy::policy
