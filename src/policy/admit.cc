#include "policy/admit.h"

#include <algorithm>

namespace canopy::policy {

Admission admit(const Occupancy& occupancy) {
  if (occupancy.running < occupancy.running_max) return {.admitted = true};
  constexpr auto least = std::chrono::seconds(1);
  constexpr auto most = std::chrono::seconds(60);
  // Places become free one by one, spread over the time that a call takes.
  const auto places =
      static_cast<Duration::rep>(std::clamp<std::uint64_t>(occupancy.running_max, 1, 1U << 31));
  const auto wait = std::chrono::ceil<std::chrono::seconds>(occupancy.mean_run_time / places);
  return {.admitted = false, .retry_after = std::clamp(wait, least, most)};
}

std::uint32_t places_at_once(std::uint32_t places, std::size_t core_count) {
  constexpr std::size_t share = 8;
  const std::size_t at_once = places / (share * std::max<std::size_t>(core_count, 1));
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(at_once, 1, 64));
}

Time call_deadline(Time now, const Limits& limits, std::optional<Duration> asked, Duration timeout_max) {
  const Duration timeout = std::min({limits.timeout, asked.value_or(Duration::max()), timeout_max});
  if (timeout <= Duration::zero()) return now;
  return timeout < never - now ? now + timeout : never;
}

}  // namespace canopy::policy
