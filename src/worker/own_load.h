#pragma once
// What this process takes of the machine.
//
// Threads: any.

#include <cstdint>

#include "base/clock.h"

namespace canopy::worker {

std::uint64_t own_resident_bytes();
Duration own_cpu_time();  // Since its start.

}  // namespace canopy::worker
