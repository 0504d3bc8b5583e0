#include "cli/files.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace canopy::cli {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

Result<std::string> read_all(const Descriptor& file, const std::string& name, std::uint64_t bytes_max) {
  std::string content;
  constexpr std::size_t piece_bytes = 256 * KiB;
  while (true) {
    const std::size_t before = content.size();
    content.resize(before + piece_bytes);
    const ssize_t size = ::read(file.get(), content.data() + before, piece_bytes);
    content.resize(before + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(Code::unavailable, "cannot read " + name + ": " + reason(errno));
    if (size == 0) return content;
    if (content.size() > bytes_max) {
      return fail(Code::too_large, name + " is longer than " + size_text(bytes_max));
    }
  }
}

constexpr std::string_view temp_prefix = "canopy-work-";

// Whether the open folder is the one at `path` still.
bool is_at(const Descriptor& folder, const std::filesystem::path& path) {
  struct stat open{};
  struct stat there{};
  return fstat(folder.get(), &open) == 0 && lstat(path.c_str(), &there) == 0 && open.st_ino == there.st_ino &&
         open.st_dev == there.st_dev;
}

// Removes what processes of this user left in `parent` when they were ended.
void sweep(const std::filesystem::path& parent) {
  std::error_code error;
  std::filesystem::directory_iterator at(parent, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    const std::filesystem::path& path = at->path();
    if (!path.filename().string().starts_with(temp_prefix)) continue;
    const Descriptor folder(
        ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat facts{};
    if (!folder || fstat(folder.get(), &facts) != 0 || facts.st_uid != geteuid()) continue;
    if (flock(folder.get(), LOCK_EX | LOCK_NB) != 0 || !is_at(folder, path)) continue;  // Its process lives.
    std::error_code ignored;  // What cannot be deleted stays for the system's own cleaning.
    std::filesystem::remove_all(path, ignored);
  }
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t bytes_max) {
  if (path == "-") return read_all(Descriptor(dup(STDIN_FILENO)), "standard input", bytes_max);
  const std::string name = path.string();
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return fail(Code::invalid, name + " is a folder, not a file");
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return fail(Code::not_found, "there is no file " + name);
  if (!file) return fail(Code::unavailable, "cannot read " + name + ": " + reason(errno));
  return read_all(file, name, bytes_max);
}

Result<void> write_file(const std::filesystem::path& path, std::string_view content) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    return fail(Code::unavailable,
                "cannot make the folder " + path.parent_path().string() + ": " + error.message());
  }
  const std::filesystem::path fresh = path.string() + "." + std::to_string(getpid()) + ".new";
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.flush();
    if (!file) {
      const int why = errno;
      std::filesystem::remove(fresh, error);
      return fail(Code::unavailable, "cannot write " + path.string() + ": " + reason(why));
    }
  }
  std::filesystem::rename(fresh, path, error);
  if (!error) return {};
  const std::string why = error.message();
  std::filesystem::remove(fresh, error);
  return fail(Code::unavailable, "cannot write " + path.string() + ": " + why);
}

Result<TempFolder> TempFolder::make(const Environment& environment) {
  std::string folder = environment.get("TMPDIR");
  if (folder.empty()) folder = "/tmp";
  sweep(folder);
  for (int attempt = 0; attempt < 10; ++attempt) {
    std::string path = folder + "/" + std::string(temp_prefix) + "XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
      return fail(Code::unavailable,
                  "cannot make a folder in " + folder + ": " + reason(errno) + "; set TMPDIR to another");
    }
    Descriptor lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // Another process may sweep it before it is locked: it is gone then, and the next one is luckier. Where
    // the file system knows no locks, nobody sweeps.
    if (lock && (flock(lock.get(), LOCK_EX) != 0 || is_at(lock, path))) {
      return TempFolder(path, std::move(lock));
    }
  }
  return fail(Code::unavailable, "the folders made in " + folder + " vanish; set TMPDIR to another");
}

TempFolder::~TempFolder() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace canopy::cli
