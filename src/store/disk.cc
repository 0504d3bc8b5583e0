#include "store/disk.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "base/units.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::string_view advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space there";
    case EFBIG:
      return "; raise the limit of file sizes (ulimit -f)";
    case EROFS:
      return "; mount it for writing, or choose another data folder";
    case EACCES:
    case EPERM:
      return "; give this user the right to it, or choose another data folder";
    case ELOOP:
      return "; it must be the thing itself: symbolic links are not followed inside a data folder";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files (ulimit -n)";
    case EIO:
      return "; the disk may be failing: look at the kernel's log";
    default:
      return "";
  }
}

// What is in the way of a folder at `path`: a link, or a file, perhaps further up.
std::string in_the_way(fs::path path) {
  std::error_code error;
  while (!fs::exists(fs::symlink_status(path, error)) && path.has_relative_path()) path = path.parent_path();
  if (fs::is_symlink(path, error)) return std::string(advice(ELOOP));
  if (fs::is_directory(path, error)) return "";
  return "; " + path.string() + " is a file; move it away, or choose another data folder";
}

timespec to_timespec(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
  timespec spec{};
  spec.tv_sec = seconds.count();
  spec.tv_nsec = (time.time_since_epoch() - seconds).count();
  return spec;
}

Result<void> write_all(const Descriptor& file, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(file.get(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return tl::unexpected(disk_error("write", path, errno));
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

// Fills `content` from the file's beginning; returns how much there was.
Result<std::size_t> read_up_to(const Descriptor& file, std::string& content, const fs::path& path) {
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(disk_error("read", path, errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return size;
}

Result<void> sync_file(const Descriptor& file, const fs::path& path) {
  int result = 0;
  do {
    result = fsync(file.get());
  } while (result != 0 && errno == EINTR);
  if (result != 0) return tl::unexpected(disk_error("bring to the disk", path, errno));
  return {};
}

}  // namespace

Error disk_error(std::string_view attempt, const fs::path& path, int error_number) {
  std::string message = "cannot " + std::string(attempt) + " " + path.string() + ": " +
                        std::generic_category().message(error_number);
  message += error_number == ENOTDIR ? in_the_way(path) : std::string(advice(error_number));
  return Error{.code = Code::unavailable, .message = std::move(message)};
}

Result<void> check_plain_file(const Descriptor& file, const fs::path& path) {
  struct stat facts{};
  if (fstat(file.get(), &facts) != 0) return tl::unexpected(disk_error("look at", path, errno));
  if (S_ISREG(facts.st_mode)) return {};
  return fail(Code::unavailable,
              path.string() + " is no plain file; move it away, or choose another data folder");
}

Result<Folder> Folder::open_or_make(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (error) return tl::unexpected(disk_error("find", path, error.value()));
  if (absolute.has_parent_path() && !fs::exists(absolute.parent_path(), error)) {
    fs::create_directories(absolute.parent_path(), error);
    if (error) return tl::unexpected(disk_error("make", absolute.parent_path(), error.value()));
  }
  const bool made = mkdir(absolute.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return tl::unexpected(disk_error("make", absolute, errno));
  const fs::path real = fs::canonical(absolute, error);
  if (error) return tl::unexpected(disk_error("enter", absolute, error.value()));
  if (made) {
    const fs::path parent = real.parent_path();
    const Descriptor above(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (above) CANOPY_TRY_VOID(sync_file(above, parent));  // A parent that we may not read we cannot sync.
  }
  Descriptor descriptor(open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor && errno == ENOTDIR) {
    return fail(Code::unavailable,
                real.string() + " is no folder; move it away, or choose another data folder");
  }
  if (!descriptor) return tl::unexpected(disk_error("enter", real, errno));
  return Folder(std::move(descriptor), real);
}

Result<Folder> Folder::child(const std::string& name, Missing missing) const {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
  fs::path path = path_ / name;
  Descriptor descriptor(openat(descriptor_.get(), name.c_str(), flags));
  if (!descriptor && errno == ENOENT) {
    if (missing == Missing::fails) return fail(Code::not_found, "there is no folder " + path.string());
    if (mkdirat(descriptor_.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
      return tl::unexpected(disk_error("make", path, errno));
    }
    CANOPY_TRY_VOID(sync());
    descriptor = Descriptor(openat(descriptor_.get(), name.c_str(), flags));
  }
  if (!descriptor) return tl::unexpected(disk_error("enter", path, errno));
  Folder child(std::move(descriptor), std::move(path));
  child.syncs_ = syncs_;
  return child;
}

Result<std::optional<FileFacts>> Folder::look(const std::string& name) const {
  struct stat facts{};
  if (fstatat(descriptor_.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<FileFacts>{};
    return tl::unexpected(disk_error("look at", path_ / name, errno));
  }
  const Duration changed = std::chrono::seconds(facts.st_mtim.tv_sec) + Duration(facts.st_mtim.tv_nsec);
  return FileFacts{.plain = S_ISREG(facts.st_mode),
                   .size_bytes = static_cast<std::uint64_t>(facts.st_size),
                   .changed = WallTime(changed)};
}

Result<std::optional<Descriptor>> Folder::open_plain(const std::string& name) const {
  const fs::path path = path_ / name;
  Descriptor file(openat(descriptor_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno == ENOENT) return std::optional<Descriptor>{};
  if (!file) return tl::unexpected(disk_error("open", path, errno));
  CANOPY_TRY_VOID(check_plain_file(file, path));
  return std::optional<Descriptor>(std::move(file));
}

Result<std::optional<std::string>> Folder::read(const std::string& name, std::size_t size_max) const {
  const fs::path path = path_ / name;
  CANOPY_TRY(const auto file, open_plain(name));
  if (!file) return std::optional<std::string>{};
  std::string content(size_max + 1, '\0');
  CANOPY_TRY(const std::size_t size, read_up_to(*file, content, path));
  if (size > size_max) return fail(Code::too_large, path.string() + " is longer than " + size_text(size_max));
  content.resize(size);
  return content;
}

Result<std::string> Folder::read_head(const std::string& name, std::size_t size) const {
  const fs::path path = path_ / name;
  CANOPY_TRY(const auto file, open_plain(name));
  if (!file) return fail(Code::not_found, "there is no file " + path.string());
  std::string content(size, '\0');
  CANOPY_TRY(const std::size_t got, read_up_to(*file, content, path));
  content.resize(got);
  return content;
}

Result<void> Folder::write_new(const std::string& name, const NewFile& file) const {
  const fs::path path = path_ / name;
  const Descriptor opened(openat(descriptor_.get(), name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file.mode));
  if (!opened) return tl::unexpected(disk_error("make", path, errno));
  Result<void> done = write_all(opened, file.content, path);
  if (done && file.changed) {
    const std::array<timespec, 2> times = {to_timespec(*file.changed), to_timespec(*file.changed)};
    if (futimens(opened.get(), times.data()) != 0) done = tl::unexpected(disk_error("date", path, errno));
  }
  if (done) done = bring_to_disk(opened, path);
  if (!done) unlinkat(descriptor_.get(), name.c_str(), 0);
  return done;
}

Result<void> Folder::move(const std::string& name, const Folder& to, const std::string& to_name) const {
  if (renameat(descriptor_.get(), name.c_str(), to.descriptor_.get(), to_name.c_str()) != 0) {
    return tl::unexpected(disk_error("put in place", to.path_ / to_name, errno));
  }
  return to.sync();
}

Result<void> Folder::replace(const std::string& name, std::string_view content) const {
  const std::string fresh = name + ".new";
  CANOPY_TRY_VOID(remove(fresh));  // What a crash may have left.
  CANOPY_TRY_VOID(write_new(fresh, {.content = content, .mode = 0600, .changed = {}}));
  const Result<void> moved = move(fresh, *this, name);
  if (!moved) unlinkat(descriptor_.get(), fresh.c_str(), 0);
  return moved;
}

Result<void> Folder::set_changed(const std::string& name, WallTime time) const {
  const std::array<timespec, 2> times = {to_timespec(time), to_timespec(time)};
  if (utimensat(descriptor_.get(), name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0) return {};
  return tl::unexpected(disk_error("date", path_ / name, errno));
}

Result<void> Folder::remove(const std::string& name) const {
  if (unlinkat(descriptor_.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return tl::unexpected(disk_error("delete", path_ / name, errno));
}

Result<std::vector<std::string>> Folder::names() const {
  std::error_code error;
  std::vector<std::string> found;
  for (fs::directory_iterator at(path_, error), end; !error && at != end; at.increment(error)) {
    found.push_back(at->path().filename().string());
  }
  if (error) return tl::unexpected(disk_error("list", path_, error.value()));
  return found;
}

Result<void> Folder::sync_content(const std::string& name) const {
  CANOPY_TRY(const auto file, open_plain(name));
  if (!file) return fail(Code::not_found, "there is no file " + (path_ / name).string());
  return bring_to_disk(*file, path_ / name);
}

Result<void> Folder::sync() const { return bring_to_disk(descriptor_, path_); }

Result<void> Folder::bring_to_disk(const Descriptor& file, const fs::path& path) const {
  if (!syncs_) return {};
  return sync_file(file, path);
}

Result<std::string> sha256_hex_of_file(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno == ENOENT) return fail(Code::not_found, "there is no file " + path.string());
  if (!file) return tl::unexpected(disk_error("read", path, errno));
  CANOPY_TRY_VOID(check_plain_file(file, path));
  Sha256 hash;
  std::vector<char> piece(256 * KiB);
  for (;;) {
    const ssize_t got = read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(disk_error("read", path, errno));
    if (got == 0) return hash.finish_hex();
    hash.update({piece.data(), static_cast<std::size_t>(got)});
  }
}

}  // namespace canopy::store
