#pragma once
// canopy dev: build, deploy, follow the logs; and again whenever something changes. Where no server answers
// at the usual address, one runs inside, with nothing on disk that stays.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> dev(Command& command, Terminal& terminal);

}  // namespace canopy::cli
