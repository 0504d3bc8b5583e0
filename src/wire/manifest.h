#pragma once
// What a person says of a function besides its code: in a file beside it, or in the upload's part `manifest`.
//
//   name: demo/hello        memory: 64MiB      output: 6MiB      open_files: 64
//   runtime: wasm           timeout: 10s       log: 256KiB       env:
//                           concurrency: 1000  tmp: 16MiB          GREETING: hello
//   fetch: [api.example.com]                      what it may fetch from; nothing, if it is not said
//   keep_warm: 4                                  processes that serve call after call; none, if not said
//   container: {concurrency: 1}                   of a container function: see wire/container.h
//   dispatch: local                               or push, or pull; as all others, if not said
//
// YAML, or JSON with the same names. canopy.yaml may hold many, in a list `functions:`, each with where its
// code is: `code:`, a file that is ready, or `path:`, what `canopy build` builds.
//
// An unknown name is an error, and every error says the file, the line and the column.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "model/dispatch.h"
#include "model/function.h"
#include "wire/container.h"

namespace canopy::wire {

// What was not said is empty, and leaves a function as it is.
struct Manifest {
  std::optional<FunctionName> name;
  std::optional<std::string> runtime;
  std::optional<std::uint64_t> memory_bytes;  // 64KiB to 4GiB
  std::optional<Duration> timeout;            // 1ms to 1h
  std::optional<std::uint32_t> concurrency;   // 1 to 100000
  std::optional<std::uint64_t> output_bytes;  // up to 1GiB
  std::optional<std::uint64_t> log_bytes;     // up to 64MiB
  std::optional<std::uint64_t> tmp_bytes;     // up to 4GiB
  std::optional<std::uint32_t> open_files;    // up to 4096
  std::optional<std::map<std::string, std::string>> env;
  std::optional<std::vector<std::string>>
      fetch;                               // Hosts: "example.com", "example.com:8443", "*.example.com", "*"
  std::optional<std::uint32_t> keep_warm;  // Up to 1000
  std::optional<ContainerSettings> container;  // wire/container.h says what is in it.
  std::optional<Dispatch> dispatch;            // Before that of all functions.
  std::optional<std::string> code;             // A file, as seen from the manifest's folder.
  std::optional<std::string> path;             // A folder or a source file.
};

// A function keeps its hosts in its environment, under this name: the hosts, separated by commas.
inline constexpr std::string_view fetch_variable = "CANOPY_FETCH";
inline constexpr std::size_t fetch_hosts_max = 100;
// As is how many of its processes are kept, where any are.
inline constexpr std::string_view keep_warm_variable = "CANOPY_KEEP_WARM";
inline constexpr std::uint64_t keep_warm_max = 1000;
// As is which way its calls go, where it says so.
inline constexpr std::string_view dispatch_variable = "CANOPY_DISPATCH";
// As it keeps, where it was serialised by Python, the version that did so: "3.12".
inline constexpr std::string_view python_version_variable = "CANOPY_PYTHON_VERSION";
inline constexpr std::size_t env_count_max = 100;
inline constexpr std::size_t env_bytes_max = 64 * KiB;  // Of names and values together.
inline constexpr std::size_t manifest_functions_max = 1000;

// One function, as it comes with an upload. `file` is what messages call it.
//   invalid    not YAML; an unknown key; a value that is none or out of its range; `code`, `path` or
//              `functions`, which have no meaning there
//   too_large  more than 256KiB, or nested too deep
Result<Manifest> parse_manifest(std::string_view text, std::string_view file);

// canopy.yaml: one function, or `functions:` and a list. In a list each has a name, no two the same, and
// either `code` or `path`.
Result<std::vector<Manifest>> parse_project(std::string_view text, std::string_view file);

// Reads "NAME=value" as flags give it, with the same rules as `env:`.
Result<std::pair<std::string, std::string>> parse_env(std::string_view text);

// Whether `env` is one that a function may have: for those that come from flags.
Result<void> check_env(const std::map<std::string, std::string>& env);

// Sets in `function` what `manifest` says. `env` replaces all that was there.
void apply(const Manifest& manifest, Function& function);

// Which way the calls of a function with this environment go; nothing where it does not say.
std::optional<Dispatch> own_dispatch(const std::map<std::string, std::string>& env);

// As JSON that parse_manifest reads again; without `code` and `path`.
std::string to_json(const Manifest& manifest);

}  // namespace canopy::wire
