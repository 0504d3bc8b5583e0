#pragma once
// A runtime whose calls run in worker processes: checks and compiles where it is, as the runtime it wraps
// does, and sends the calls away: all of them, or those that are to go.
//
// Threads, Life: as exec/runtime.h says. The crews outlive its templates' instances.

#include <functional>
#include <memory>
#include <vector>

#include "exec/runtime.h"
#include "policy/dispatch.h"
#include "worker/crew.h"

namespace canopy::worker {

// `crews` by core index.
std::unique_ptr<exec::Runtime> make_remote_runtime(std::unique_ptr<exec::Runtime> local,
                                                   std::vector<Crew*> crews);

// Asked on the core's thread for each call.
using ChooseWay = std::function<policy::Dispatch(const Function& function)>;

// Calls whose way is local run as those of `local` do; others go to `crews`, by core index.
std::unique_ptr<exec::Runtime> make_dispatch_runtime(std::unique_ptr<exec::Runtime> local,
                                                     std::vector<Crew*> crews, ChooseWay choose);

// A balancer's, of one core: sends on the calls of all functions, whatever they are made for, and compiles
// none. Its find() is for the core's thread, and so is the end of what it finds.
std::unique_ptr<exec::Runtime> make_relay_runtime(exec::Core& core, Crew& crew);

}  // namespace canopy::worker
