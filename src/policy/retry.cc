#include "policy/retry.h"

#include <algorithm>

namespace canopy::policy {

std::optional<Duration> retry_delay(const RetryRule& rule, const Tries& tries, AttemptEnd end,
                                    double random) {
  const bool lost = end == AttemptEnd::lost;
  // Who asked for many retries expects no fewer deliveries.
  const std::uint32_t losses_max = std::max(rule.losses_max, rule.retries_max + 1);
  if (lost ? tries.losses >= losses_max : tries.failures > rule.retries_max) return std::nullopt;
  const std::uint32_t doublings = lost ? tries.losses : tries.failures;
  if (lost && doublings <= 1) return Duration::zero();
  Duration delay = std::min(rule.first_delay, rule.delay_max);
  for (std::uint32_t i = lost ? 2 : 1; i < doublings && delay < rule.delay_max; ++i) {
    delay = delay > rule.delay_max / 2 ? rule.delay_max : delay * 2;
  }
  const double part = 0.5 + 0.5 * std::clamp(random, 0.0, 1.0);
  return Duration(static_cast<Duration::rep>(static_cast<double>(delay.count()) * part));
}

bool is_worth_retrying(Code code) {
  switch (code) {
    case Code::invalid:
    case Code::unauthorized:
    case Code::forbidden:
    case Code::not_found:
    case Code::too_large:
    case Code::refused:
    case Code::canceled:
      return false;
    default:
      return true;
  }
}

}  // namespace canopy::policy
