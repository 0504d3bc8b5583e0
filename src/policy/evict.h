#pragma once
// Which functions to unload from a core whose loaded modules take more memory than its share, or are too
// many: each takes a descriptor and several of the kernel's mappings, however small it is.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"

namespace canopy::policy {

struct Resident {
  std::uint64_t bytes = 0;
  Time used{};        // When it was called last.
  bool busy = false;  // A call of it runs: it cannot go.
};

struct Room {
  std::uint64_t bytes_max = 0;
  std::size_t count_max = 0;
};

// Places in `residents` of those to unload, the least recently used first, until the rest fits in `room` or
// only busy ones are left.
std::vector<std::size_t> choose_unloads(std::span<const Resident> residents, const Room& room);

}  // namespace canopy::policy
