#pragma once
// What this process gives up for good: new privileges, and the system calls that it does not need. Whoever
// breaks out of the engine finds no way to more rights, and with the list of a worker none to another
// process.
//
// Threads: install before others could need what is given up; it holds for all of the process, and for all
// that it starts.

#include <string>

#include "base/error.h"
#include "wall/system_calls.h"

namespace canopy::wall {

// The filter, as Filter::finish_…() gives it. A worker's is for this process alone, by its id.
std::string filter_of(FilterKind kind);

// "allow-list of 250 calls"
std::string describe(FilterKind kind);

// No new privileges, and that filter. What is refused fails with EPERM. Cannot be taken back.
//   unavailable  the kernel has no such filters; no new privileges holds
Result<void> confine(FilterKind kind);

// What confine() has done to this process, described; "" where it has not.
std::string own_filter();

}  // namespace canopy::wall
