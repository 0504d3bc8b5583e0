#pragma once
// What a function's requirements.txt may ask the installer for: packages by their names, versions, markers
// and hashes, a line each. Nothing else of what such a file may say, since the installer has the network and
// the server's settings for it: no addresses or paths, no other files, no options, no variables.

#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

// The lines that say something, without their comments, each whole: what the installer is given, so that it
// matters to nobody how it would have read the rest.
//   refused  names the line, what is wrong with it, and what to write instead
Result<std::string> plain_requirements(std::string_view text);

}  // namespace canopy::wire
