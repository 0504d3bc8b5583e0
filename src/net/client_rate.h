#pragma once
// By when a client has to have moved so many bytes, at the rate that HttpServerOptions ask for on average.
//
// Threads: any.

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace canopy::net {

// Of what began to move at `since`, and of which `bytes` have; `rate` is in bytes a second. Never for 0.
inline Time end_at_rate(Time since, std::uint64_t bytes, std::uint64_t rate) {
  if (rate == 0) return never;
  const auto seconds = static_cast<Duration::rep>(bytes / rate);
  const auto rest = static_cast<Duration::rep>(bytes % rate);
  return since + std::chrono::seconds(seconds) +
         Duration(std::chrono::seconds(1)) * rest / static_cast<Duration::rep>(rate);
}

}  // namespace canopy::net
