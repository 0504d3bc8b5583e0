#pragma once
// Functions in Python: the interpreter of the machine, behind walls of processes.
//
//   per version     a folder: source, files, packages (folder.h)
//   per core        a warmed process that has imported the function (zygote.h), started by its first call
//   per call        a process that is forked from it (process.h), and is gone before the reply is; or one
//   that
//                   is kept for the function's next calls, where the function asks for it (process_pool.h)
//
// docs/python.md says what users are promised; docs/decisions/0011-python-processes.md, why it is so.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "exec/core.h"
#include "exec/runtime.h"
#include "net/blocking_pool.h"
#include "python/folder.h"

namespace canopy::python {

inline constexpr std::string_view runtime_name = "python";
inline constexpr std::size_t source_bytes_max = 8 * MiB;

struct RuntimeOptions {
  std::string python = "python3";
  std::filesystem::path folder;                  // For what is made of versions.
  std::vector<std::filesystem::path> path = {};  // What functions may import from.
  FindCode find_code;
  std::uint64_t calls_max = 64;  // At once, on all cores.
  std::uint64_t waiting_max = 10'000;
  std::uint64_t zygotes_max = 32;  // On all cores.
  std::uint64_t warm_memory_bytes = GiB;
  std::uint64_t processes = 32;                  // And threads, of one call.
  bool network = false;                          // Functions that ask for it may use the machine's.
  std::uint64_t kept_calls = 1000;               // Of one process that is kept; then it is replaced.
  Duration kept_idle = std::chrono::minutes(1);  // Then one that is kept ends.
  Duration import_timeout = std::chrono::seconds(60);
  InstallOptions install;
};

std::unique_ptr<exec::Runtime> make_runtime(RuntimeOptions options, const std::vector<exec::Core*>& cores,
                                            net::BlockingPool& disk);

// Whether `source` could be one: text, or a pickle, which is a function that dill has serialised.
//   refused  empty, too large, not UTF-8, or bytes that are neither
Result<void> check_source(std::string_view source);

}  // namespace canopy::python
