#pragma once
// The whole life of a worker process. It serves the connections that it inherits until its parent is gone:
// then it is, too, whatever it was doing.
//
//   descriptor 3      the fleet's: setup, ping, goaway
//   from 4 on         one of each core of the parent
//
// It gives up what it does not need (docs/workers.md has the list). SIGTERM drains it.

#include <functional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "exec/core.h"
#include "exec/runtime.h"
#include "net/blocking_pool.h"
#include "wire/node_frames.h"

namespace canopy::worker {

inline constexpr std::string_view worker_child_word = "run-worker";
inline constexpr int first_descriptor = 3;

// The runtimes that a worker has on `core`.
using RuntimeMaker = std::function<Result<exec::Runtimes>(const wire::WorkerSetup& setup, exec::Core& core,
                                                          net::BlockingPool& disk)>;

bool is_worker_child(int count, const char* const* arguments);
// Returns its exit status.
int worker_child(int count, const char* const* arguments, const RuntimeMaker& make_runtimes,
                 const Clock& clock);

}  // namespace canopy::worker
