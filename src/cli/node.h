#pragma once
// canopy node: this process runs calls for a server that it joins, until SIGINT or SIGTERM, which drain it; a
// second one ends it at once.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> node(Command& command, Terminal& terminal);

}  // namespace canopy::cli
