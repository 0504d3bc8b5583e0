#pragma once
// The Python that is installed on this machine.
//
// Threads: any; blocks for as long as it takes to start it once.

#include <filesystem>
#include <string>

#include "base/error.h"

namespace canopy::python {

struct Interpreter {
  std::filesystem::path program;  // The real file.
  std::filesystem::path prefix;   // Where its library is.
  std::string version;            // "3.11"
};

// `name` is a path, or a name that is looked for in PATH.
//   unavailable  there is none, or one that is too old or too new; in one sentence
Result<Interpreter> find_interpreter(const std::string& name);

}  // namespace canopy::python
