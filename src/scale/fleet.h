#pragma once
// What runs calls beside this process, and can be more or fewer: worker processes of this machine
// (worker/fleet.h); containers and other machines are further ones of its kind.
//
// Threads: all methods, any thread.

#include <cstdint>
#include <functional>
#include <vector>

#include "model/node.h"
#include "policy/scale.h"

namespace canopy::scale {

class Fleet {
 public:
  // Told when a node has become something else; quick, and does not call the fleet.
  using Listener = std::function<void(const Node& node)>;

  virtual ~Fleet() = default;

  virtual std::vector<Node> nodes() const = 0;
  // What it has to do; of the waiting it knows those that have come as far as to it. One caller.
  virtual policy::FleetLoad load() = 0;
  // From now on there are to be so many. Does not wait: new ones start, the rest end what they have begun.
  virtual void resize(std::uint32_t count) = 0;
  virtual void listen(Listener listener) = 0;
};

}  // namespace canopy::scale
