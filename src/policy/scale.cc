#include "policy/scale.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/log.h"

namespace canopy::policy {
namespace {

constexpr std::uint64_t doubling_above = 32;  // Waiting calls.
constexpr std::uint64_t halving_below = 2;
constexpr std::uint32_t doubling_worker_max = 64;
constexpr Duration doubling_period = std::chrono::seconds(5);
constexpr Duration delay_period = std::chrono::milliseconds(500);
constexpr int least_part = 4;       // Of the delay, however long a worker takes to start.
constexpr double busy_part = 0.85;  // Of its time, of a worker that has enough to do.

double seconds_of(Duration time) { return std::chrono::duration<double>(time).count(); }

std::uint32_t decide_by_doubling(const FleetLoad& load) {
  const std::uint32_t count = load.worker_count;
  if (!load.waiting_count) return count;
  if (*load.waiting_count > doubling_above && count < doubling_worker_max) {
    return count > doubling_worker_max / 2 ? doubling_worker_max : std::max(count * 2, 1U);
  }
  if (*load.waiting_count < halving_below && count > 1) return count / 2;
  return count;
}

}  // namespace

std::string_view to_text(ScaleRule rule) { return rule == ScaleRule::doubling ? "doubling" : "target-delay"; }

Result<ScaleRule> parse_scale_rule(std::string_view text) {
  for (const ScaleRule rule : {ScaleRule::target_delay, ScaleRule::doubling}) {
    if (to_text(rule) == text) return rule;
  }
  return fail(Code::invalid,
              "there is no rule '" + log_safe(text) + "' for scaling; it is target-delay or doubling");
}

Duration Scaler::period() const {
  return settings_.rule == ScaleRule::doubling ? doubling_period : delay_period;
}

std::uint32_t Scaler::decide(const FleetLoad& load) {
  const std::uint32_t count =
      settings_.rule == ScaleRule::doubling ? decide_by_doubling(load) : decide_by_delay(load);
  return std::clamp(count, settings_.worker_min, std::max(settings_.worker_min, settings_.worker_max));
}

std::uint32_t Scaler::decide_by_delay(const FleetLoad& load) {
  if (!load.waiting_count || !load.running_count) return load.worker_count;
  const auto waiting = static_cast<double>(*load.waiting_count);
  // Nothing ended yet: each of the waiting may take as long as the whole delay.
  const double run_time = seconds_of(load.mean_run_time.value_or(settings_.delay));
  const Duration start_time = load.start_time.value_or(Duration::zero());
  const double delay =
      std::max(seconds_of(std::max(settings_.delay - start_time, settings_.delay / least_part)), 1e-3);
  const double slots = static_cast<double>(*load.running_count) + waiting * run_time / delay;
  const double workers = std::max(std::ceil(slots / std::max(load.slots_per_worker, 1U)),
                                  std::ceil(load.busy_cores.value_or(0) / busy_part));
  const double most = std::max(settings_.worker_min, settings_.worker_max);
  const auto needed = static_cast<std::uint32_t>(std::clamp(workers, 0.0, most));
  return most_needed(load.now, needed);
}

std::uint32_t Scaler::most_needed(Time now, std::uint32_t needed) {
  const Duration half = std::max<Duration>(settings_.cool_down / 2, std::chrono::milliseconds(1));
  if (!half_began_ || now - *half_began_ >= 3 * half) {
    peaks_ = {};
    half_began_ = now;
  }
  while (now - *half_began_ >= half) {
    std::rotate(peaks_.begin(), peaks_.end() - 1, peaks_.end());
    peaks_.front() = 0;
    *half_began_ += half;
  }
  peaks_.front() = std::max(peaks_.front(), needed);
  return *std::max_element(peaks_.begin(), peaks_.end());
}

}  // namespace canopy::policy
