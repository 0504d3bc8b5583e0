#pragma once
// A runtime whose calls run in worker processes: checks and compiles where it is, as the runtime it wraps
// does, and sends the calls away.
//
// Threads, Life: as exec/runtime.h says. The crews outlive its templates' instances.

#include <memory>
#include <vector>

#include "exec/runtime.h"
#include "worker/crew.h"

namespace canopy::worker {

// `crews` by core index.
std::unique_ptr<exec::Runtime> make_remote_runtime(std::unique_ptr<exec::Runtime> local,
                                                   std::vector<Crew*> crews);

}  // namespace canopy::worker
