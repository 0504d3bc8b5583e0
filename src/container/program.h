#pragma once
// Runs another program to its end, for as long as it may take, and keeps the last of what it says.
//
// Threads: any; blocks.

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::container {

struct ProgramEnd {
  int status = 0;     // As of waitpid().
  std::string words;  // The last 8KiB of what it printed, on both its outputs.
};

//   unavailable  it cannot be started, or did not end within `timeout` and was killed
Result<ProgramEnd> run_program(const std::vector<std::string>& words, Duration timeout);

}  // namespace canopy::container
