#pragma once
// The verbs that look at functions: list, describe.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> list_functions(Command& command, Terminal& terminal);
Result<int> describe(Command& command, Terminal& terminal);

}  // namespace canopy::cli
