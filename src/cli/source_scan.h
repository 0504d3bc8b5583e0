#pragma once
// What a source file of a function says of how it wants to be built.
//
//   CANOPY_HANDLER(...), or `//go:wasmexport canopy_handle` in Go: a reactor
//   a line `// canopy: reactor` or `// canopy: command`: that shape, whatever else it holds
//   a line `// canopy: no-exceptions`: C++ without exceptions, which makes a smaller module
//   a line `// canopy: flags -O3 -msimd128`: more flags for the compiler, separated by blanks

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace canopy::cli {

struct SourceHints {
  bool reactor = false;
  bool exceptions = true;
  std::vector<std::string> flags;

  // Several files make one module: it is a reactor if one of them says so.
  void add(SourceHints other);
};

// Reads C or C++. Comments and text in quotes do not count, but for the lines above.
//   invalid  a line `// canopy: ...` that says nothing known; the message has file and line
Result<SourceHints> scan_c(std::string_view text, std::string_view file);

// Whether Go source exports a handler, or has the SDK export it.
bool is_go_reactor(std::string_view text);

}  // namespace canopy::cli
