#pragma once
// canopy dispatch: shows and changes where a server's calls run.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> dispatch(Command& command, Terminal& terminal);

}  // namespace canopy::cli
