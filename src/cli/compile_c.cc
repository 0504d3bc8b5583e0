// C and C++: clang, the guest sysroot that tools/sysroot makes, and the SDK.

#include <algorithm>
#include <atomic>
#include <optional>
#include <sstream>
#include <thread>

#include "cli/compilers.h"
#include "cli/embedded.h"
#include "cli/files.h"
#include "cli/source_scan.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view c_compiler = "clang-22";
constexpr std::string_view cxx_compiler = "clang++-22";
constexpr std::uint64_t source_bytes_max = 64 * MiB;

bool is_c(const fs::path& source) { return source.extension() == ".c"; }

Result<std::vector<std::string>> read_flags(const fs::path& sysroot, const std::string& name) {
  const auto text = read_file(sysroot / "canopy-flags" / name, MiB);
  if (!text) {
    return fail(Code::unavailable, "the libraries for functions in C and C++ are not at " + sysroot.string() +
                                       "; run `make deps` in Canopy's source, or set CANOPY_SYSROOT");
  }
  std::vector<std::string> flags;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) flags.push_back(line);
  }
  return flags;
}

// The headers of the SDK, where the compiler can read them.
Result<fs::path> write_sdk(const fs::path& work) {
  fs::path folder = work / "sdk";
  for (const EmbeddedFile& file : embedded_files()) {
    if (!file.path.starts_with("c/")) continue;
    CANOPY_TRY_VOID(write_file(folder / file.path.substr(2), file.content));
  }
  return folder;
}

Result<SourceHints> scan(const std::vector<fs::path>& sources) {
  SourceHints hints;
  for (const fs::path& source : sources) {
    CANOPY_TRY(const std::string text, read_file(source, source_bytes_max));
    CANOPY_TRY(SourceHints one, scan_c(text, source.string()));
    hints.add(std::move(one));
  }
  return hints;
}

// How one set of sources is compiled.
struct Plan {
  std::vector<std::string> c;
  std::vector<std::string> cxx;
  SourceHints hints;
};

Result<Plan> make_plan(const CompileStep& step, const std::vector<fs::path>& sources,
                       const Builder& builder) {
  const fs::path sysroot = sysroot_folder(builder.environment);
  Plan plan;
  CANOPY_TRY(plan.hints, scan(sources));
  CANOPY_TRY(plan.c, read_flags(sysroot, "c"));
  CANOPY_TRY(plan.cxx, read_flags(sysroot, plan.hints.exceptions ? "c++" : "c++-noexcept"));
  CANOPY_TRY(const fs::path sdk, write_sdk(step.work));
  // Names stay in the module, so that a trap can say where it was; the rest of what debuggers want does not.
  std::vector<std::string> common = {"-O2", "-Wl,--strip-debug", "-isystem", sdk.string()};
  if (plan.hints.reactor) {
    CANOPY_TRY(const auto reactor, read_flags(sysroot, "reactor"));
    common.insert(common.end(), reactor.begin(), reactor.end());
  }
  if (builder.terminal.err_is_terminal()) common.emplace_back("-fcolor-diagnostics");
  plan.cxx.emplace_back("-std=c++20");
  for (auto* const flags : {&plan.c, &plan.cxx}) {
    flags->insert(flags->end(), common.begin(), common.end());
    flags->insert(flags->end(), plan.hints.flags.begin(), plan.hints.flags.end());
  }
  return plan;
}

std::vector<std::string> command(bool as_c, const Plan& plan) {
  std::vector<std::string> arguments = {std::string(as_c ? c_compiler : cxx_compiler)};
  const auto& flags = as_c ? plan.c : plan.cxx;
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return arguments;
}

// Each file to an object of its own, as many at once as there are cores.
Result<std::vector<std::string>> compile_objects(const std::vector<fs::path>& sources, const Plan& plan,
                                                 const CompileStep& step, const Builder& builder) {
  std::vector<std::string> objects(sources.size());
  std::vector<std::optional<Error>> errors(sources.size());
  std::vector<ProcessEnd> ends(sources.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < sources.size(); i = next++) {
      objects[i] = (step.work / (std::to_string(i) + ".o")).string();
      ProcessRequest request{.arguments = command(is_c(sources[i]), plan)};
      request.arguments.insert(request.arguments.end(), {"-c", sources[i].string(), "-o", objects[i]});
      auto end = run_process(request, builder.environment);
      if (end) {
        ends[i] = *std::move(end);
      } else {
        errors[i] = std::move(end).error();
      }
    }
  };
  {
    const std::size_t count =
        std::min<std::size_t>(sources.size(), std::max(1U, std::thread::hardware_concurrency()));
    std::vector<std::jthread> threads;
    threads.reserve(count);
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back(work);
  }
  std::size_t failed = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (errors[i]) return tl::unexpected(*errors[i]);
    builder.terminal.err() << ends[i].err << std::flush;
    if (ends[i].status != 0) ++failed;
  }
  if (failed == 0) return objects;
  return fail(Code::refused, step.source.string() + " does not compile: " + std::to_string(failed) + " of " +
                                 std::to_string(sources.size()) + " files failed with the words above");
}

// A command whose sources have no main links all the same: the C library's start calls what the linker puts
// in its place, which traps. It is known by the name that it is given.
Result<void> require_main(const fs::path& module, const std::string& what) {
  CANOPY_TRY(const std::string code, read_file(module, GiB));
  if (code.find("undefined_weak:main") == std::string::npos) return {};
  return fail(Code::refused, what +
                                 " has nothing to begin with: write a main(), which reads standard input and "
                                 "writes standard output, or a CANOPY_HANDLER (canopy new c NAME shows one)");
}

}  // namespace

Result<fs::path> compile_c(const CompileStep& step, const Builder& builder) {
  std::vector<fs::path> sources = {step.source};
  std::error_code error;
  if (fs::is_directory(step.source, error)) {
    CANOPY_TRY(sources, sources_in(step.source, {".c", ".cc", ".cpp", ".cxx", ".C", ".c++"}));
  }
  if (!find_program(cxx_compiler, builder.environment)) {
    return fail(Code::unavailable,
                "functions in C and C++ need clang-22; run `make deps` in Canopy's source, or "
                "install the packages clang-22, lld-22 and libclang-rt-22-dev-wasm32");
  }
  CANOPY_TRY(const Plan plan, make_plan(step, sources, builder));
  fs::path module = step.work / "module.wasm";
  const bool all_c = std::ranges::all_of(sources, is_c);
  std::vector<std::string> arguments = command(all_c, plan);
  if (sources.size() == 1) {
    arguments.push_back(sources.front().string());
  } else {
    CANOPY_TRY(const auto objects, compile_objects(sources, plan, step, builder));
    arguments.insert(arguments.end(), objects.begin(), objects.end());
  }
  arguments.insert(arguments.end(), {"-o", module.string()});
  const std::string what = step.source.filename().string();
  CANOPY_TRY_VOID(run_compiler({.arguments = std::move(arguments)}, what, builder));
  if (!plan.hints.reactor) CANOPY_TRY_VOID(require_main(module, what));
  return module;
}

}  // namespace canopy::cli
