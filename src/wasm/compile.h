#pragma once
// Ahead-of-time compilation of what clients sent, in a process of its own: a module that compiles for ever,
// takes all memory or crashes the compiler ends that process and nothing else.
//
// The parent starts its own program again with one fixed word as its first argument; main() hands over to
// compile_child() when it sees it. The child limits itself (memory, CPU time, core dumps, no new
// privileges), runs a reactor's start-up and freezes it into the image where that is sound, compiles, and
// writes the result beside its plan.
//
// Threads: any; compile() blocks.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "model/function.h"
#include "wasm/host.h"
#include "wasm/template.h"

namespace canopy::wasm {

inline constexpr std::string_view compile_child_word = "compile-module";

struct CompileOptions {
  std::filesystem::path program = "/proc/self/exe";
  std::filesystem::path code_folder;  // Where a function's files lie, by digest.
  Duration timeout = std::chrono::seconds(60);
  std::uint64_t memory_bytes = 2 * GiB;
};

// Compiles `code` to `compiled`, with its plan beside it as <compiled>.plan. `entry_names` as of a plan that
// is not pre-initialised; the init exports among them are all but the last.
//   refused  the compiler's own words; or the start-up trapped, with where
//   limit    it took longer or more memory than allowed
Result<ModulePlan> compile(const CompileOptions& options, const Function& function,
                           const std::filesystem::path& code, const std::filesystem::path& compiled,
                           const std::vector<std::string>& entry_names);

// The same for any job, whose limits are set from `options`.
struct CompileJob;
Result<ModulePlan> carry_out(const CompileOptions& options, CompileJob job);

// The plan that compile() left beside `compiled`. Not found: it was never compiled, or
// what is there is not whole.
Result<ModulePlan> read_plan(const std::filesystem::path& compiled);

// Offers the child what a guest may import during its start-up, given the folder of code.
using HostMaker = std::function<Host(const std::filesystem::path& code_folder)>;

bool is_compile_child(int count, const char* const* arguments);
// The whole life of the child; returns its exit status.
int compile_child(int count, const char* const* arguments, const HostMaker& make_host);

}  // namespace canopy::wasm
