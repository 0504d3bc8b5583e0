#include "base/whole_folders.h"

#include <atomic>
#include <fstream>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"

namespace canopy {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view half = ".new";
constexpr const char* mark = "ready";

tl::unexpected<Error> cannot(std::string_view what, const fs::path& path, const std::error_code& error) {
  return fail(Code::unavailable,
              "cannot " + std::string(what) + " " + path.string() + ": " + error.message());
}

}  // namespace

// Nobody else's.
fs::path WholeFolders::aside(const std::string& name) const {
  static std::atomic<std::uint64_t> count = 0;
  return folder_ /
         (name + "-" + std::to_string(getpid()) + "-" + std::to_string(++count) + std::string(half));
}

bool WholeFolders::renew(const std::string& name) const {
  return utimensat(AT_FDCWD, (path(name) / mark).c_str(), nullptr, 0) == 0;
}

Result<fs::path> WholeFolders::begin(const std::string& name) const {
  const fs::path made = aside(name);
  std::error_code error;
  fs::remove_all(made, error);  // Of an earlier process with our number.
  fs::create_directories(made, error);
  if (error) return cannot("make", made, error);
  return made;
}

Result<void> WholeFolders::finish(const fs::path& made, const std::string& name) const {
  std::ofstream file(made / mark);
  file.close();
  if (!file) return fail(Code::unavailable, "cannot write " + made.string() + ": is the disk full?");
  std::error_code error;
  fs::rename(made, path(name), error);
  if (!error) return {};
  std::error_code ignored;
  if (!renew(name)) {  // What lies there is not whole: it is of a server that deleted otherwise.
    fs::remove_all(path(name), ignored);
    fs::rename(made, path(name), error);
    if (!error) return {};
  }
  fs::remove_all(made, ignored);
  if (renew(name)) return {};
  return cannot("make", path(name), error);
}

Result<std::uint64_t> WholeFolders::sweep(const std::set<std::string>& names, Duration age,
                                          const InUse& in_use, const OnDrop& on_drop) const {
  std::error_code error;
  if (!fs::exists(folder_, error)) return 0;
  std::uint64_t freed_bytes = 0;
  for (fs::directory_iterator at(folder_, error); at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    const bool is_half = name.ends_with(half);
    if (!is_half && (names.contains(name) || in_use(name))) continue;
    if (is_young(is_half ? at->path() : at->path() / mark, age)) continue;
    const std::uint64_t bytes = disk_bytes(at->path());
    if (!is_half && on_drop) on_drop(name);
    const fs::path going = is_half ? at->path() : aside(name);
    std::error_code of_one;
    if (!is_half) fs::rename(at->path(), going, of_one);
    if (!of_one) fs::remove_all(going, of_one);
    if (of_one) return cannot("delete", at->path(), of_one);
    freed_bytes += bytes;
  }
  if (error) return cannot("list", folder_, error);
  return freed_bytes;
}

}  // namespace canopy
