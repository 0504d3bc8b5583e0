// Go: the machine's own compiler, for WASI preview 1.

#include <utility>

#include "cli/compilers.h"
#include "cli/files.h"
#include "cli/source_scan.h"

namespace canopy::cli {

Result<std::filesystem::path> compile_go(const CompileStep& step, const Builder& builder) {
  namespace fs = std::filesystem;
  if (!find_program("go", builder.environment)) {
    return fail(Code::unavailable,
                "functions in Go need the Go compiler, 1.24 or later; install it from https://go.dev/dl, "
                "with go in PATH");
  }
  std::error_code error;
  const bool is_folder = fs::is_directory(step.source, error);
  const fs::path folder = is_folder ? step.source : step.source.parent_path();
  std::vector<fs::path> sources = {step.source};
  if (is_folder) {
    CANOPY_TRY(sources, sources_in(folder, {".go"}));
  }
  bool reactor = false;
  for (const fs::path& source : sources) {
    CANOPY_TRY(const std::string text, read_file(source, 64 * MiB));
    reactor = reactor || is_go_reactor(text);
  }
  fs::path module = step.work / "module.wasm";
  ProcessRequest request{.arguments = {"go", "build", "-trimpath", "-ldflags=-s -w", "-o", module.string()},
                         .folder = folder,
                         .variables = {"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}};
  if (reactor) request.arguments.emplace_back("-buildmode=c-shared");
  request.arguments.push_back(is_folder ? "." : step.source.filename().string());
  CANOPY_TRY_VOID(run_compiler(request, step.source.filename().string(), builder));
  return module;
}

}  // namespace canopy::cli
