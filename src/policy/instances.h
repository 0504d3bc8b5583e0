#pragma once
// How many containers a function is to have: as many as its calls need places, within what it may have.

#include <cstddef>

namespace canopy::policy {

struct InstanceDemand {
  std::size_t calls = 0;   // That run, or wait.
  std::size_t places = 1;  // Calls at once in one container; at least 1.
  std::size_t min = 0;
  std::size_t max = 1;
};

std::size_t wanted_instances(const InstanceDemand& demand);

}  // namespace canopy::policy
