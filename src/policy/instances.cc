#include "policy/instances.h"

#include <algorithm>

namespace canopy::policy {

std::size_t wanted_instances(const InstanceDemand& demand) {
  const std::size_t needed = (demand.calls + demand.places - 1) / demand.places;
  return std::min(std::max(needed, demand.min), demand.max);
}

}  // namespace canopy::policy
