#pragma once
// The second wall around a worker: what its process gives up before the first call. The first is the engine's
// own; whoever breaks out of that finds no way to another program, to other processes, or to more rights.
//
// Threads: before any other thread could need what is given up; holds for all of the process.

#include "base/error.h"

namespace canopy::worker {

// No new privileges, and a filter on system calls for all threads: see confine.cc for the list. What is
// refused fails with EPERM. Cannot be taken back.
//   unavailable  the kernel has no such filters; the rest holds
Result<void> confine();

}  // namespace canopy::worker
