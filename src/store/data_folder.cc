#include "store/data_folder.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"

namespace canopy::store {
namespace {

// What the holder of the lock wrote: "process 123", or less where it has not written yet.
std::string holder(const Descriptor& lock) {
  std::array<char, 32> text{};
  const ssize_t got = pread(lock.get(), text.data(), text.size(), 0);
  long process = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + (got > 0 ? got : 0), process);
  if (parsed.ec != std::errc{} || process <= 0) return "another process";
  return "process " + std::to_string(process);
}

// Only for people: the lock itself is what holds. A full disk shall not keep a server from starting.
void sign(const Descriptor& lock, const std::filesystem::path& path) {
  const std::string text = std::to_string(getpid()) + "\n";
  if (ftruncate(lock.get(), 0) == 0 &&
      pwrite(lock.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
    return;
  }
  log::warn("{}", disk_error("write the process id to", path, errno).message);
}

}  // namespace

Result<DataFolder> DataFolder::open(const std::filesystem::path& path) {
  CANOPY_TRY(Folder folder, Folder::open_or_make(path));
  const std::filesystem::path lock_path = folder.path() / "lock";
  Descriptor lock(
      openat(folder.descriptor(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!lock) return tl::unexpected(disk_error("open for writing", lock_path, errno));
  CANOPY_TRY_VOID(check_plain_file(lock, lock_path));
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return tl::unexpected(disk_error("lock", lock_path, errno));
    return fail(Code::conflict, "the data folder " + folder.path().string() + " is in use by " +
                                    holder(lock) + "; stop that one, or give this one a folder of its own " +
                                    "(--data)");
  }
  sign(lock, lock_path);
  return DataFolder(std::move(folder), std::move(lock));
}

Result<std::optional<int>> DataFolder::format() const {
  const std::string path = (folder_.path() / "format").string();
  const auto text = folder_.read("format", 64);
  if (!text && text.error().code != Code::too_large) return tl::unexpected(text.error());
  if (text && !text->has_value()) return std::optional<int>{};
  const auto number = text ? parse_format(**text) : std::nullopt;
  if (!number) {
    return fail(Code::refused, path + " holds no format number; restore it from a backup of the data folder");
  }
  if (*number > format_newest) {
    return fail(Code::refused, path + " says format " + std::to_string(*number) +
                                   ", and this Canopy reads up to format " + std::to_string(format_newest) +
                                   "; use the newer Canopy that wrote it, or another data folder");
  }
  return number;
}

Result<void> DataFolder::set_format(int number) const {
  CANOPY_TRY(const std::optional<int> now, format());
  if (now == number) return {};
  return folder_.replace("format", std::to_string(number) + "\n");
}

std::optional<int> parse_format(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > 9) return std::nullopt;
  int number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

}  // namespace canopy::store
