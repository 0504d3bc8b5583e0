#pragma once
// Workers that are not started by this process but join it, from this machine or another (balance/members.h),
// and whether calls go to them.
//
// Threads: all methods, any thread.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/node.h"
#include "policy/dispatch.h"

namespace canopy::scale {

class Cluster {
 public:
  // Told when a node has become something else; quick, and does not call the cluster.
  using Listener = std::function<void(const Node& node)>;

  virtual ~Cluster() = default;

  virtual std::vector<Node> nodes() const = 0;
  virtual std::size_t ready_count() const = 0;
  virtual void listen(Listener listener) = 0;

  virtual policy::DispatchRules rules() const = 0;
  // Holds for calls that begin from now on.
  virtual void set_rules(policy::DispatchRules rules) = 0;

  // Where workers join, "127.0.0.1:9090".
  virtual std::string address() const = 0;

  // Hears nobody any more, and asks for nothing: what it was made of may go. A second time does nothing.
  virtual void stop() = 0;
};

}  // namespace canopy::scale
