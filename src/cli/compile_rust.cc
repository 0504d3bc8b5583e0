// Rust: rustc or cargo of this machine, for WASI preview 1.

#include <sstream>
#include <utility>

#include <boost/json/array.hpp>

#include "cli/compilers.h"
#include "cli/json_fields.h"
#include "wire/json_read.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view target = "wasm32-wasip1";

std::string compiler(const Builder& builder) {
  const std::string own = builder.environment.get("RUSTC");
  return own.empty() ? "rustc" : own;
}

// The compiler alone is not enough: it needs Rust's own library, compiled for the target.
Result<void> check_target(const Builder& builder) {
  const auto end = run_process(
      {.arguments = {compiler(builder), "--print", "target-libdir", "--target", std::string(target)}},
      builder.environment);
  if (!end && end.error().code == Code::not_found) {
    return fail(Code::unavailable,
                "functions in Rust need rustc and cargo; install them from https://rustup.rs");
  }
  if (!end) return tl::unexpected(end.error());
  const std::string folder = end->out.substr(0, end->out.find('\n'));
  std::error_code error;
  if (end->status == 0 && fs::is_directory(folder, error)) return {};
  return fail(Code::unavailable, "Rust's library for " + std::string(target) +
                                     " is missing; run: rustup target add " + std::string(target));
}

// Where cargo says that it left a module. Of several the last: a package is built after what it depends on.
Result<fs::path> find_module(const std::string& messages, const fs::path& folder) {
  fs::path module;
  std::istringstream lines(messages);
  for (std::string line; std::getline(lines, line);) {
    const auto message = wire::parse_json(line);
    if (!message || text_field(*message, "reason") != "compiler-artifact") continue;
    for (const Json& file : list_field(*message, "filenames")) {
      const auto* const text = file.if_string();
      if (text != nullptr && text->ends_with(".wasm")) module = std::string(text->data(), text->size());
    }
  }
  if (!module.empty()) return module;
  return fail(Code::refused, folder.string() +
                                 " makes no module; it needs a src/main.rs, or in Cargo.toml: [lib] "
                                 "crate-type = [\"cdylib\"]");
}

}  // namespace

Result<fs::path> compile_rust(const CompileStep& step, const Builder& builder) {
  CANOPY_TRY_VOID(check_target(builder));
  const std::string what = step.source.filename().string();
  std::error_code error;
  if (!fs::is_directory(step.source, error)) {
    fs::path module = step.work / "module.wasm";
    const ProcessRequest request{.arguments = {compiler(builder), "--edition=2021", "--target",
                                               std::string(target), "-O", "-C", "strip=debuginfo",
                                               step.source.string(), "-o", module.string()}};
    CANOPY_TRY_VOID(run_compiler(request, what, builder));
    return module;
  }
  const ProcessRequest request{.arguments = {"cargo", "build", "--release", "--target", std::string(target),
                                             "--message-format=json-render-diagnostics"},
                               .folder = step.source};
  CANOPY_TRY(const std::string messages, run_compiler(request, what, builder));
  return find_module(messages, step.source);
}

}  // namespace canopy::cli
