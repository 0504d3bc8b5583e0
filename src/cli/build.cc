#include "cli/build.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/compilers.h"
#include "cli/files.h"
#include "cli/progress.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t module_bytes_max = GiB;

struct Extension {
  std::string_view text;
  Language language;
};
constexpr std::array<Extension, 18> extensions = {{{".wasm", Language::wasm},
                                                   {".tar", Language::image},
                                                   {".c", Language::c},
                                                   {".cc", Language::c},
                                                   {".cpp", Language::c},
                                                   {".cxx", Language::c},
                                                   {".C", Language::c},
                                                   {".c++", Language::c},
                                                   {".go", Language::go},
                                                   {".rs", Language::rust},
                                                   {".js", Language::js},
                                                   {".mjs", Language::js},
                                                   {".cjs", Language::js},
                                                   {".ts", Language::js},
                                                   {".mts", Language::js},
                                                   {".tsx", Language::js},
                                                   {".jsx", Language::js},
                                                   {".py", Language::python}}};

constexpr std::string_view known_sources =
    "C and C++ (.c, .cc, .cpp), Go (.go), Rust (.rs), JavaScript and TypeScript (.js, .ts), Python (.py), "
    "modules (.wasm) and images (.tar)";

Result<Language> language_of_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "Cargo.toml", error)) return Language::rust;
  if (fs::exists(folder / "go.mod", error)) return Language::go;
  if (find_javascript(folder)) return Language::js;
  if (find_python(folder)) return Language::python;
  CANOPY_TRY(const auto c, sources_in(folder, {".c", ".cc", ".cpp", ".cxx", ".C", ".c++"}));
  if (!c.empty()) return Language::c;
  CANOPY_TRY(const auto go, sources_in(folder, {".go"}));
  if (!go.empty()) return Language::go;
  CANOPY_TRY(const auto rust, sources_in(folder, {".rs"}));
  if (!rust.empty()) {
    return fail(Code::refused, folder.string() +
                                   " has Rust files but no Cargo.toml; name the .rs file itself, "
                                   "or run `cargo init` there");
  }
  CANOPY_TRY(const auto scripts, sources_in(folder, {".js", ".mjs", ".cjs", ".ts", ".mts", ".tsx", ".jsx"}));
  if (!scripts.empty()) {
    return fail(Code::refused,
                folder.string() +
                    " has several files in JavaScript or TypeScript and none to begin with: "
                    "looked for were what package.json has as \"module\" or \"main\", files called "
                    "index, function or main, and one file alone; rename one, or name it itself");
  }
  CANOPY_TRY(const auto python, sources_in(folder, {".py"}));
  if (!python.empty()) {
    return fail(Code::refused, folder.string() +
                                   " has several files in Python and none to begin with: looked for were "
                                   "handler.py, main.py, function.py, one with the folder's name, and one "
                                   "file alone; rename one, or name it itself");
  }
  return fail(Code::refused,
              "nothing in " + folder.string() + " can be built; known are " + std::string(known_sources));
}

}  // namespace

Result<Language> language_of(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    return fail(Code::not_found,
                "there is no " + path.string() + "; name a source file, a folder or a module");
  if (fs::is_directory(path, error)) return language_of_folder(path);
  const std::string extension = path.extension().string();
  const auto found = std::ranges::find(extensions, extension, &Extension::text);
  if (found != extensions.end()) return found->language;
  return fail(Code::refused, path.string() + ": no function can be built from that; known are " +
                                 std::string(known_sources));
}

Result<Built> build(const fs::path& path, const Builder& builder, std::string_view runtime) {
  if (runtime == "container") return build_container(path, builder);
  CANOPY_TRY(const Language language, language_of(path));
  if (language == Language::image) return build_container(path, builder);
  if (language == Language::wasm) {
    CANOPY_TRY(std::string module, read_file(path, module_bytes_max));
    return Built{.code = std::move(module)};
  }
  if (language == Language::js) {
    CANOPY_TRY(std::string source, bundle_javascript(path, builder));
    return Built{.code = std::move(source), .runtime = "js"};
  }
  if (language == Language::python) return take_python(path);
  CANOPY_TRY(const TempFolder work, TempFolder::make(builder.environment));
  std::error_code error;
  const CompileStep step{.source = fs::absolute(path, error).lexically_normal(), .work = work.path()};
  const auto compile = language == Language::c    ? compile_c
                       : language == Language::go ? compile_go
                                                  : compile_rust;
  CANOPY_TRY(const fs::path compiled, compile(step, builder));
  CANOPY_TRY(std::string module, read_file(compiled, module_bytes_max));
  return Built{.code = std::move(module)};
}

Result<std::vector<fs::path>> sources_in(const fs::path& folder, const std::vector<std::string>& wanted) {
  std::vector<fs::path> found;
  for (const fs::path& part : {folder, folder / "src"}) {
    std::error_code error;
    if (!fs::is_directory(part, error)) continue;
    // An error ends the iteration as its end does, so it is looked at behind it.
    for (fs::directory_iterator at(part, error); at != fs::directory_iterator(); at.increment(error)) {
      std::error_code gone;
      const bool named = std::ranges::find(wanted, at->path().extension().string()) != wanted.end();
      if (named && at->is_regular_file(gone)) found.push_back(at->path());
    }
    if (error) {
      return fail(Code::unavailable, "cannot read the folder " + part.string() + ": " + error.message());
    }
  }
  std::ranges::sort(found);
  return found;
}

Result<std::string> run_compiler(const ProcessRequest& request, const std::string& what,
                                 const Builder& builder) {
  Result<ProcessEnd> end = fail(Code::internal, "");
  {
    const Progress progress(builder.terminal, "compiling " + what);
    end = run_process(request, builder.environment);
  }
  if (!end) return tl::unexpected(std::move(end).error());
  builder.terminal.err() << end->err << std::flush;
  if (end->status == 0) return std::move(end->out);
  builder.terminal.err() << end->out << std::flush;
  return fail(Code::refused,
              what + " does not compile: " + fs::path(request.arguments.front()).filename().string() +
                  " ended with status " + std::to_string(end->status) + " after the words above");
}

}  // namespace canopy::cli
