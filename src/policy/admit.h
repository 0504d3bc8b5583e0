#pragma once
// Whether one more call may run, and until when.

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "model/function.h"

namespace canopy::policy {

// How far a function is from what it may have. Over all cores.
struct Occupancy {
  std::uint64_t running = 0;
  std::uint64_t running_max = 0;
  Duration mean_run_time{};  // Of its calls so far; zero where there were none.
};

struct Admission {
  bool admitted = false;
  Duration retry_after{};  // Whole seconds, 1 to 60: when a place should be free, where it is refused.
};

Admission admit(const Occupancy& occupancy);

// How many places of a function a core takes for itself at a time, so that cores seldom meet: few enough that
// what lies idle on one core is no loss, and one where there are few places at all.
std::uint32_t places_at_once(std::uint32_t places, std::size_t core_count);

// The one deadline of a call that came in at `now`: the function's timeout, or what the caller asks for where
// that is sooner; never more than `timeout_max`. Never before `now`.
Time call_deadline(Time now, const Limits& limits, std::optional<Duration> asked, Duration timeout_max);

}  // namespace canopy::policy
