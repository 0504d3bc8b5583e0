#pragma once
// Which functions to unload from a core whose loaded modules take more memory than its share.

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

// Places in `residents` of those to unload, the least recently used first, until the rest fits in `bytes_max`
// or only busy ones are left.
std::vector<std::size_t> choose_unloads(std::span<const Resident> residents, std::uint64_t bytes_max);

}  // namespace canopy::policy
