#pragma once
// One call of a container function: of one whose container is a server (http), or of one whose container is a
// command that runs for this call alone.
//
// Threads: one core's.

#include <memory>

#include "container/pool.h"
#include "exec/core.h"
#include "exec/runtime.h"

namespace canopy::container {

std::unique_ptr<exec::Instance> make_http_execution(std::shared_ptr<Pool> pool, exec::Core& core);
std::unique_ptr<exec::Instance> make_command_execution(std::shared_ptr<Pool> pool, exec::Core& core);

}  // namespace canopy::container
