#pragma once
// When a node dials again after its connection was lost or refused: soon the first time, then later and
// later, and never all nodes at one moment.

#include <cstdint>

#include "base/clock.h"

namespace canopy::policy {

struct ReconnectRule {
  Duration first_delay = std::chrono::milliseconds(100);  // Doubles from here.
  Duration delay_max = std::chrono::seconds(10);
};

// After `failures` attempts in a row that came to nothing, at least one. `random`, from 0 to 1, chooses a
// point in the upper half.
Duration reconnect_delay(const ReconnectRule& rule, std::uint32_t failures, double random);

}  // namespace canopy::policy
