#pragma once
// canopy up: everything in one process, until SIGINT or SIGTERM, which drain it; a second one ends it at
// once.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> up(Command& command, Terminal& terminal);

}  // namespace canopy::cli
