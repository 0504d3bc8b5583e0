#pragma once
// Scripts that let a shell complete verbs, flags, files and the names of functions; made from the table of
// verbs, so that they never lag behind it.

#include <ostream>

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

//   invalid  no shell that is known
Result<void> print_completion(std::string_view shell, std::ostream& out);

}  // namespace canopy::cli
