#pragma once
// Asks the kernel which walls stand around a process.
//
// Threads: any; some files of /proc, which take a tenth of a millisecond.

#include <sys/types.h>

#include "model/walls.h"
#include "wall/system_calls.h"

namespace canopy::wall {

// Of this one, whose user has to stay the same from then on; with what note_no_group() was told.
Walls read_own_walls();

// Of a child, which has installed a filter of that kind where it has more of them than this process; before
// Linux 5.9, which does not count them, it is only known to have one. Nothing is known where it is gone.
Walls read_walls_of(pid_t child, FilterKind kind);

// Why this process has no control group of its own that was asked for: a sentence. Before there are threads.
void note_no_group(const std::string& why);

}  // namespace canopy::wall
