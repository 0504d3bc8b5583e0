#pragma once
// The command line as a whole: finds the verb, reads its flags, runs it, says what went wrong.

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "cli/environment.h"
#include "cli/terminal.h"

namespace canopy::cli {

struct ProgramInput {
  std::vector<std::string_view> arguments;  // Without the program's name.
  Environment environment;
  std::string version;
};

// The program's exit status.
int run_program(const ProgramInput& input, Terminal& terminal, const Clock& clock);

}  // namespace canopy::cli
