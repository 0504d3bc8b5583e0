#pragma once
// Keeps a fleet as large as a rule of policy/scale.h wants it: asks, decides, resizes, again and again.
//
// Threads: whoever calls tick(), one at a time.
// Life:    the fleet outlives it.

#include <cstdint>
#include <functional>
#include <optional>

#include "policy/scale.h"
#include "scale/fleet.h"

namespace canopy::scale {

class Autoscaler {
 public:
  // How many calls wait that have not come as far as to the fleet; nothing where that is not known now.
  using Backlog = std::function<std::optional<std::uint64_t>()>;

  Autoscaler(Fleet& fleet, Backlog backlog, const policy::ScaleSettings& settings)
      : fleet_(fleet), backlog_(std::move(backlog)), scaler_(settings) {}

  // Decides once; returns how long after it the next time is due.
  Duration tick();

 private:
  Fleet& fleet_;
  const Backlog backlog_;
  policy::Scaler scaler_;
};

}  // namespace canopy::scale
