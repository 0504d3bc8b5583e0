#include "container/folder_tar.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "wire/tar.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t piece_bytes = 256 * KiB;

tl::unexpected<Error> unreadable(const fs::path& path, const std::string& why) {
  return fail(Code::unavailable, "cannot read " + path.string() + ": " + why);
}

tl::unexpected<Error> unreadable(const fs::path& path) {
  return unreadable(path, std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

Result<FolderTar> FolderTar::open(const fs::path& folder) {
  FolderTar made(folder);
  std::error_code error;
  made.at_ = fs::recursive_directory_iterator(folder, error);
  if (error) return unreadable(folder, error.message());
  return made;
}

Result<std::string> FolderTar::next() {
  if (!file_) return next_entry();
  std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece_bytes)), '\0');
  const ssize_t got = piece.empty() ? 0 : read(file_.get(), piece.data(), piece.size());
  if (got < 0) return unreadable(folder_);
  if (got == 0 && left_ > 0) return unreadable(folder_, "a file has become shorter");
  piece.resize(static_cast<std::size_t>(got));
  left_ -= piece.size();
  if (left_ > 0) return piece;
  file_.reset();
  wire::append_tar_padding(size_bytes_, piece);
  if (!piece.empty()) return piece;
  return next_entry();
}

Result<std::string> FolderTar::next_entry() {
  std::error_code error;
  if (std::exchange(has_begun_, true) && at_ != fs::recursive_directory_iterator()) at_.increment(error);
  if (error) return unreadable(folder_, error.message());
  std::string head;
  if (at_ == fs::recursive_directory_iterator()) {
    if (!std::exchange(has_ended_, true)) wire::append_tar_end(head);
    return head;
  }
  const fs::path& path = at_->path();
  struct stat about{};
  if (lstat(path.c_str(), &about) != 0) return unreadable(path);
  wire::TarEntry entry;
  entry.path = path.lexically_relative(folder_).string();
  entry.mode = about.st_mode & 07777U;
  entry.user = about.st_uid;
  entry.group = about.st_gid;
  if (S_ISDIR(about.st_mode)) {
    entry.kind = wire::TarEntry::Kind::folder;
    entry.path += '/';
  } else if (S_ISLNK(about.st_mode)) {
    entry.kind = wire::TarEntry::Kind::symlink;
    entry.target = fs::read_symlink(path, error).string();
    if (error) return unreadable(path, error.message());
  } else {
    entry.size_bytes = static_cast<std::uint64_t>(about.st_size);
    file_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file_) return unreadable(path);
    left_ = entry.size_bytes;
    size_bytes_ = entry.size_bytes;
    if (left_ == 0) file_.reset();
  }
  wire::append_tar_head(entry, head);
  return head;
}

}  // namespace canopy::container
