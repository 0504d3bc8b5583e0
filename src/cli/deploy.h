#pragma once
// The verbs that change what is deployed: deploy, apply, remove, rollback; and build, which stops before.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> build_verb(Command& command, Terminal& terminal);
Result<int> deploy(Command& command, Terminal& terminal);
Result<int> apply(Command& command, Terminal& terminal);
Result<int> remove(Command& command, Terminal& terminal);
Result<int> roll_back(Command& command, Terminal& terminal);

}  // namespace canopy::cli
