#include "wasm/compiled_files.h"

#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/disk.h"
#include "wasm/engine.h"

namespace canopy::wasm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".cwasm";

std::string key_of(const std::string& file_name) { return file_name.substr(0, file_name.find(suffix)); }

fs::path plan_of(const fs::path& compiled) { return compiled.string() + ".plan"; }

tl::unexpected<Error> cannot(std::string_view what, const fs::path& path, const std::error_code& error) {
  return fail(Code::unavailable,
              "cannot " + std::string(what) + " " + path.string() + ": " + error.message());
}

}  // namespace

CompiledFiles::CompiledFiles(fs::path folder) : folder_(std::move(folder)) {}

fs::path CompiledFiles::path(const std::string& key) const {
  return folder_ / engine_version() / (key + std::string(suffix));
}

bool CompiledFiles::renew(const std::string& key) {
  const std::lock_guard lock(age_mutex_);
  return utimensat(AT_FDCWD, plan_of(path(key)).c_str(), nullptr, 0) == 0;
}

Result<std::uint64_t> CompiledFiles::sweep(Duration age,
                                           const std::function<bool(const std::string& key)>& keep) {
  std::error_code error;
  if (!fs::exists(folder_, error)) return 0;
  std::uint64_t freed_bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().filename() == engine_version()) continue;
    const std::uint64_t bytes = disk_bytes(entry.path());
    std::error_code of_one;
    fs::remove_all(entry.path(), of_one);
    if (of_one) return cannot("delete", entry.path(), of_one);
    freed_bytes += bytes;
  }
  if (error) return cannot("list", folder_, error);
  CANOPY_TRY(const std::uint64_t own_bytes, sweep_own(age, keep));
  return freed_bytes + own_bytes;
}

Result<std::uint64_t> CompiledFiles::sweep_own(Duration age,
                                               const std::function<bool(const std::string& key)>& keep) {
  const fs::path own = folder_ / engine_version();
  std::error_code error;
  if (!fs::exists(own, error)) return 0;
  std::uint64_t freed_bytes = 0;
  for (const auto& entry : fs::directory_iterator(own, error)) {
    const std::string key = key_of(entry.path().filename().string());
    if (keep(key)) continue;
    const std::lock_guard lock(age_mutex_);
    if (is_young(entry.path(), age) || is_young(plan_of(path(key)), age)) continue;
    const std::uint64_t bytes = disk_bytes(entry.path());
    std::error_code of_one;
    fs::remove(entry.path(), of_one);
    if (of_one) return cannot("delete", entry.path(), of_one);
    freed_bytes += bytes;
  }
  if (error) return cannot("list", own, error);
  return freed_bytes;
}

}  // namespace canopy::wasm
