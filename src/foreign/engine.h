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

// Of "HOST:PORT"s.
std::unique_ptr<container::Engine> make_engine(std::vector<std::string> addresses, const Clock& clock);

}  // namespace canopy::foreign
