#pragma once
// Workers of HyperFaaS as an engine of containers: what a pool (container/pool.h) has started are instances
// on them. A thread of its own is connected to all of them.
//
//   Plan::image   the id of a function, about which the workers ask HyperFaaS's database
//
// Threads, Life: as container::Engine.

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "container/engine.h"

namespace canopy::foreign {

class WorkersEngine : public container::Engine {
 public:
  // The server ends: starts that a worker has not answered yet fail now. Any thread's.
  virtual void give_up_starts() = 0;
};

// Of "HOST:PORT"s.
std::unique_ptr<WorkersEngine> make_engine(std::vector<std::string> addresses, const Clock& clock);

}  // namespace canopy::foreign
