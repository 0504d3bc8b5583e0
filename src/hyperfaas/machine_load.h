#pragma once
// What the kernel says of this machine's memory and cores, as workers of HyperFaaS report it.

#include <cstdint>
#include <string_view>
#include <vector>

#include "wire/hyperfaas.h"

namespace canopy::hyperfaas {

// Of one core since the machine started, in the kernel's ticks.
struct CoreTicks {
  std::uint64_t busy = 0;
  std::uint64_t all = 0;
};

// Out of /proc/stat and /proc/meminfo; empty, and 0, where they say nothing.
std::vector<CoreTicks> read_cores(std::string_view stat);
double read_ram_percent(std::string_view meminfo);

std::vector<CoreTicks> cores_now();
double ram_percent_now();

// How busy each core was between the two. Where the kernel counted nothing in between, it was as busy as it
// has been since it started.
std::vector<double> percents_between(const std::vector<CoreTicks>& before,
                                     const std::vector<CoreTicks>& after);

}  // namespace canopy::hyperfaas
