#pragma once
// Source to WebAssembly, with the compilers of this machine. `canopy help build` says it to users.
//
//   a .wasm file                        is passed on as it is
//   .py, or a folder with handler.py      passed on as it is, with the folder's other files
//   a .tar                              an image, passed on as it is
//   .js .mjs .cjs .ts .mts .tsx .jsx    passed on as it is, or bundled with esbuild where it imports anything
//   or or a folder with package.json       is TypeScript .c .cc .cpp .cxx .C, or a folder    clang-22, the
//   guest sysroot and the SDK, which is inside this program .go, or a folder with go.mod        go build,
//   GOOS=wasip1 .rs, or a folder with Cargo.toml    rustc or cargo, target wasm32-wasip1
//
// Threads: one; blocks, and shows progress on the terminal.

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/environment.h"
#include "cli/terminal.h"

namespace canopy::cli {

enum class Language { wasm, c, go, rust, js, python, image };

//   not_found  there is nothing at `path`
//   refused    a kind of file, or a folder, from which no function can be built
Result<Language> language_of(const std::filesystem::path& path);

struct Builder {
  const Environment& environment;
  Terminal& terminal;
};

struct Built {
  std::string code;  // A module, JavaScript, Python or an image.
  std::string_view runtime = "wasm";
  std::vector<std::pair<std::string, std::string>> files = {};  // Path and content: what goes with it.
};

// What `path` makes, for `runtime` ("" for the usual one of its language). What the compiler says is printed
// as it says it.
//   refused      it does not compile
//   unavailable  a compiler, a library or a target is missing; the message says how to get it
//   and what language_of() says
Result<Built> build(const std::filesystem::path& path, const Builder& builder, std::string_view runtime = {});

}  // namespace canopy::cli
