#include "policy/restart.h"

#include <algorithm>

namespace canopy::policy {

Duration Restarts::ended(Duration lived) {
  ++count_;
  in_a_row_ = lived >= rule_.healthy_after ? 1 : in_a_row_ + 1;
  if (in_a_row_ == 1) return Duration::zero();
  Duration delay = rule_.first_delay;
  for (std::uint32_t i = 2; i < in_a_row_ && delay < rule_.delay_max; ++i) delay *= 2;
  return std::min(delay, rule_.delay_max);
}

}  // namespace canopy::policy
