#include "base/disk.h"

#include <system_error>

namespace canopy {

namespace fs = std::filesystem;

std::uint64_t disk_bytes(const fs::path& path) {
  std::error_code error;
  const fs::file_status what = fs::symlink_status(path, error);
  if (fs::is_regular_file(what)) {
    const std::uintmax_t bytes = fs::file_size(path, error);
    return error ? 0 : bytes;
  }
  std::uint64_t bytes = 0;
  if (!fs::is_directory(what)) return bytes;
  for (auto at = fs::recursive_directory_iterator(path, error); at != fs::recursive_directory_iterator();
       at.increment(error)) {
    if (error) break;
    std::error_code of_one;
    if (!at->is_regular_file(of_one) || at->is_symlink(of_one)) continue;
    const std::uintmax_t size = at->file_size(of_one);
    if (!of_one) bytes += size;
  }
  return bytes;
}

bool is_young(const fs::path& path, Duration age) {
  std::error_code error;
  const auto changed = fs::last_write_time(path, error);
  return !error && changed > fs::file_time_type::clock::now() - age;
}

}  // namespace canopy
