// Python: taken as it is, and with it what lies in its folder.

#include <algorithm>
#include <array>

#include "cli/compilers.h"
#include "cli/files.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t file_bytes_max = 64 * MiB;
constexpr std::size_t files_max = 1000;
constexpr std::array<std::string_view, 3> entry_names = {"handler.py", "main.py", "function.py"};
constexpr std::array<std::string_view, 4> left_out = {"__pycache__", "venv", "node_modules", "canopy.yaml"};

fs::path whole(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

bool is_left_out(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || std::ranges::find(left_out, name) != left_out.end() ||
         path.extension() == ".pyc";
}

}  // namespace

std::optional<fs::path> find_python(const fs::path& folder) {
  std::error_code error;
  for (const std::string_view name : entry_names) {
    if (fs::is_regular_file(folder / name, error)) return folder / name;
  }
  const fs::path named = folder / (whole(folder).filename().string() + ".py");
  if (fs::is_regular_file(named, error)) return named;
  std::optional<fs::path> only;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".py") continue;
    if (only) return std::nullopt;
    only = entry.path();
  }
  return only;
}

Result<Built> take_python(const fs::path& path) {
  std::error_code error;
  Built built;
  built.runtime = "python";
  if (!fs::is_directory(path, error)) {
    CANOPY_TRY(built.code, read_file(path, file_bytes_max));
    return built;
  }
  const auto entry = find_python(path);
  if (!entry) return fail(Code::refused, path.string() + " has no handler.py");
  CANOPY_TRY(built.code, read_file(*entry, file_bytes_max));
  auto at = fs::recursive_directory_iterator(path, error);
  for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (error) break;
    if (is_left_out(at->path())) {
      at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file(error) || at->path() == *entry) continue;
    if (built.files.size() == files_max) {
      return fail(Code::too_large, path.string() + " has more than " + std::to_string(files_max) +
                                       " files; leave out what is not needed");
    }
    CANOPY_TRY(std::string content, read_file(at->path(), file_bytes_max));
    built.files.emplace_back(at->path().lexically_relative(path).string(), std::move(content));
  }
  if (error)
    return fail(Code::unavailable, "cannot read the folder " + path.string() + ": " + error.message());
  std::ranges::sort(built.files);
  return built;
}

}  // namespace canopy::cli
