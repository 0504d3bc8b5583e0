#include "policy/reconnect.h"

#include <algorithm>

namespace canopy::policy {

Duration reconnect_delay(const ReconnectRule& rule, std::uint32_t failures, double random) {
  Duration delay = std::min(rule.first_delay, rule.delay_max);
  for (std::uint32_t i = 1; i < failures && delay < rule.delay_max; ++i) {
    delay = delay > rule.delay_max / 2 ? rule.delay_max : delay * 2;
  }
  const double part = 0.5 + 0.5 * std::clamp(random, 0.0, 1.0);
  return Duration(static_cast<Duration::rep>(static_cast<double>(delay.count()) * part));
}

}  // namespace canopy::policy
