#pragma once
// Functions in a language whose interpreter is a WebAssembly module.
//
//   once        interpreter ─ split ─▶ code, compiled       and   the memory it starts with
//   per version source ─ the interpreter reads it, in a child process ─▶ the memory that leaves: the image
//   per call    an instance of the shared code over a fresh copy of that image
//
// So a version costs milliseconds to deploy and as much memory as its image, and all versions of all
// functions in the language run the same compiled code.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exec/runtime.h"
#include "wasm/engines.h"

namespace canopy::wasm {

struct Language {
  std::string name;              // The runtime's: "js".
  std::string_view interpreter;  // A module that split_memory() takes. Lives as long as the runtime.
  // Exports that read the source, best first: the next one's turn comes where one asked for what differs from
  // call to call (Code::refused). Any other failure refuses the function, in the words of the failure.
  std::vector<std::string> prepare_names;
  std::string handler;  // The export that is a call.
  // Whether a source could be one, without running it.
  std::function<Result<void>(std::string_view source)> check;
  Duration prepare_timeout = std::chrono::seconds(10);
};

std::unique_ptr<exec::Runtime> make_language_runtime(Language language, std::shared_ptr<Engines> engines);

}  // namespace canopy::wasm
