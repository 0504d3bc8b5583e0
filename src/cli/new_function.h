#pragma once
// canopy new: a folder to start from, with source, canopy.yaml, a test's input and what it should answer.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> new_function(Command& command, Terminal& terminal);

}  // namespace canopy::cli
