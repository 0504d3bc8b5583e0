// JavaScript and TypeScript: taken as it is where it is one plain file, else bundled by esbuild.

#include <algorithm>
#include <array>
#include <utility>

#include "cli/compilers.h"
#include "cli/files.h"
#include "cli/progress.h"
#include "wire/json_read.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t source_bytes_max = 64 * MiB;
constexpr std::array<std::string_view, 3> entry_names = {"index", "function", "main"};
constexpr std::array<std::string_view, 7> entry_extensions = {".ts",  ".mts", ".tsx", ".js",
                                                              ".mjs", ".jsx", ".cjs"};

bool is_typed(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".ts" || extension == ".mts" || extension == ".tsx" || extension == ".jsx";
}

// A line that imports something. What only looks like one costs nothing but a run of esbuild.
bool imports_anything(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) continue;
    line.remove_prefix(begin);
    if (line.starts_with("//") || line.starts_with("*")) continue;
    const bool imports = line.starts_with("import ") || line.starts_with("import{") ||
                         line.starts_with("import\"") || line.starts_with("import'");
    const bool passes_on = line.starts_with("export ") && (line.find(" from '") != std::string_view::npos ||
                                                           line.find(" from \"") != std::string_view::npos);
    if (imports || passes_on || line.find("require(") != std::string_view::npos) return true;
  }
  return false;
}

// Of Node's own modules: those that stand for what functions do not have, so that no package takes their
// place.
constexpr std::array<std::string_view, 18> node_modules = {
    "fs",  "fs/promises",    "http",          "https",       "http2", "net",
    "tls", "dgram",          "child_process", "dns",         "os",    "vm",
    "v8",  "worker_threads", "readline",      "async_hooks", "repl",  "cluster"};

// What a line imports, "fs" of `import { x } from "fs"`; nothing where it says none.
std::string_view imported(std::string_view line) {
  std::size_t begin = line.find("require(");
  if (begin == std::string_view::npos) begin = line.find("import");
  if (begin == std::string_view::npos) return {};
  begin = line.find_first_of("\"'", begin);
  if (begin == std::string_view::npos) return {};
  const std::size_t end = line.find(line[begin], begin + 1);
  if (end == std::string_view::npos) return {};
  return line.substr(begin + 1, end - begin - 1);
}

std::optional<std::string_view> find_node_module(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view name = imported(text.substr(0, end));
    if (name.starts_with("node:") || std::ranges::find(node_modules, name) != node_modules.end()) return name;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

// The project's own, or the machine's.
std::optional<std::string> find_esbuild(const fs::path& source, const Environment& environment) {
  std::error_code error;
  for (fs::path folder = source.parent_path();; folder = folder.parent_path()) {
    const fs::path own = folder / "node_modules" / ".bin" / "esbuild";
    if (fs::exists(own, error)) return own.string();
    if (folder == folder.parent_path()) break;
  }
  if (const auto found = find_program("esbuild", environment)) return found->string();
  return std::nullopt;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// The bundle with its map in its last line, from where stacks are shown in the lines of the sources
// (js/engine/source_map.c). The map names them as seen from the bundle: here, as seen from the first of them.
std::string with_map(std::string bundle, std::string map, const fs::path& source, const fs::path& out) {
  std::string up;
  fs::path place = source.parent_path().lexically_relative(out.parent_path());
  for (; !place.empty() && place.filename() != ".."; place = place.parent_path()) {
    replace_all(map, "\"" + place.string() + "/", "\"" + up);
    up += "../";
  }
  replace_all(map, "\n", " ");
  if (!bundle.ends_with('\n')) bundle += '\n';
  return bundle + "//# sourceMappingURL=data:application/json," + map + "\n";
}

Result<std::string> bundle(const fs::path& source, const std::string& esbuild, const Builder& builder) {
  CANOPY_TRY(const TempFolder work, TempFolder::make(builder.environment));
  const fs::path out = work.path() / "function.js";
  const ProcessRequest request{
      .arguments = {esbuild, source.string(), "--bundle", "--format=esm", "--platform=neutral",
                    "--main-fields=module,main", "--conditions=import,module,default", "--target=es2023",
                    "--sourcemap=external", "--sources-content=false", "--log-level=warning", "--color=false",
                    "--outfile=" + out.string()},
      .folder = source.parent_path()};
  CANOPY_TRY_VOID(run_compiler(request, source.filename().string(), builder));
  CANOPY_TRY(std::string text, read_file(out, source_bytes_max));
  CANOPY_TRY(std::string map, read_file(out.string() + ".map", source_bytes_max));
  return with_map(std::move(text), std::move(map), source, out);
}

// The source with its name in its last line, from where stacks have it (js/engine/source.c); as it is where
// the engine would not take the name.
std::string with_name(std::string text, const fs::path& source) {
  const std::string name = source.filename().string();
  const bool plain = name.size() <= 100 && std::ranges::all_of(name, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              std::string_view("._-@+~").find(c) != std::string_view::npos;
                     });
  if (!plain) return text;
  if (!text.ends_with('\n')) text += '\n';
  return text + "//# sourceURL=" + name + "\n";
}

// What package.json says is the beginning: "module" or "main".
std::optional<fs::path> entry_of_package(const fs::path& folder) {
  const auto text = read_file(folder / "package.json", MiB);
  if (!text) return std::nullopt;
  const auto json = wire::parse_json(*text);
  if (!json || json->if_object() == nullptr) return std::nullopt;
  for (const std::string_view key : {"module", "main"}) {
    const auto* const value = json->if_object()->if_contains(key);
    if (value == nullptr || !value->is_string()) continue;
    fs::path entry = folder / std::string_view(value->get_string().data(), value->get_string().size());
    std::error_code error;
    if (fs::is_regular_file(entry, error)) return entry;
  }
  return std::nullopt;
}

}  // namespace

std::optional<fs::path> find_javascript(const fs::path& folder) {
  if (auto entry = entry_of_package(folder)) return entry;
  std::error_code error;
  for (const fs::path& part : {folder, folder / "src"}) {
    for (const std::string_view name : entry_names) {
      for (const std::string_view extension : entry_extensions) {
        fs::path entry = part / (std::string(name) + std::string(extension));
        if (fs::is_regular_file(entry, error)) return entry;
      }
    }
  }
  const auto sources = sources_in(folder, {entry_extensions.begin(), entry_extensions.end()});
  if (sources && sources->size() == 1) return sources->front();
  return std::nullopt;
}

Result<std::string> bundle_javascript(const fs::path& path, const Builder& builder) {
  std::error_code error;
  fs::path source = fs::absolute(path, error).lexically_normal();
  if (fs::is_directory(source, error)) {
    const auto entry = find_javascript(source);
    if (!entry) return fail(Code::not_found, "there is no index.js in " + path.string());
    source = *entry;
  }
  CANOPY_TRY(std::string text, read_file(source, source_bytes_max));
  const bool typed = is_typed(source);
  if (!typed && !imports_anything(text)) return with_name(std::move(text), source);
  if (const auto name = find_node_module(text)) {
    return fail(Code::refused, source.filename().string() + " imports \"" + std::string(*name) +
                                   "\", a module of Node's own, and a function does not run in Node; "
                                   "docs/javascript.md lists what it has, fetch and crypto among it");
  }
  const auto esbuild = find_esbuild(source, builder.environment);
  if (esbuild) return bundle(source, *esbuild, builder);
  return fail(Code::unavailable,
              source.filename().string() +
                  (typed ? " has to be translated" : " imports other files, so it has to be bundled") +
                  " by esbuild, which is not here; run `npm install --save-dev esbuild` beside "
                  "it, or put esbuild in PATH");
}

}  // namespace canopy::cli
