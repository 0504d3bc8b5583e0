#include "container/images.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"
#include "base/units.h"
#include "wire/image_bytes.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t users_bytes_max = 256 * KiB;

// A file's bytes, without reading what nobody looks at.
class Mapped {
 public:
  static Result<Mapped> open(const fs::path& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat about{};
    if (!file || fstat(file.get(), &about) != 0) {
      return fail(Code::unavailable, "the function's code " + path.string() + " is lost; deploy it again");
    }
    Mapped mapped;
    mapped.size_ = static_cast<std::size_t>(about.st_size);
    if (mapped.size_ == 0) return mapped;
    void* const place = mmap(nullptr, mapped.size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (place == MAP_FAILED)
      return fail(Code::unavailable, "the function's code cannot be read: no memory is left");
    mapped.place_ = place;
    return mapped;
  }

  Mapped(Mapped&& other) noexcept
      : place_(std::exchange(other.place_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped() {
    if (place_ != nullptr) munmap(place_, size_);
  }

  std::string_view bytes() const { return {static_cast<const char*>(place_), place_ == nullptr ? 0 : size_}; }

 private:
  Mapped() = default;

  void* place_ = nullptr;
  std::size_t size_ = 0;
};

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A file of the image; its links lead nowhere else.
std::string read_inside(const fs::path& root, const char* path) {
  const Descriptor top(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const Descriptor file(static_cast<int>(syscall(SYS_openat2, top.get(), path, &how, sizeof how)));
  if (!file) return {};
  std::string text(users_bytes_max, '\0');
  const ssize_t got = read(file.get(), text.data(), text.size());
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

// The fields of the line "name:…" of a file such as /etc/passwd.
std::optional<std::array<std::string_view, 4>> find_line(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::array<std::string_view, 4> fields;
    for (std::string_view& field : fields) {
      const std::size_t colon = std::min(line.find(':'), line.size());
      field = line.substr(0, colon);
      line.remove_prefix(std::min(colon + 1, line.size()));
    }
    if (fields[0] == name) return fields;
  }
  return std::nullopt;
}

}  // namespace

Result<UserIds> find_user(const fs::path& root, std::string_view text) {
  const auto unknown = [text] {
    return fail(Code::refused,
                "the image wants to run as '" + log_safe(text, 80) + "', whom it does not know");
  };
  UserIds ids;
  if (text.empty()) return ids;
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view name = text.substr(0, colon);
  const std::string_view group = text.substr(std::min(colon + 1, text.size()));
  if (const auto number = number_of(name)) {
    ids.user = *number;
  } else {
    const std::string users = read_inside(root, "etc/passwd");
    const auto line = find_line(users, name);
    const auto user = line ? number_of(line->at(2)) : std::nullopt;
    if (!user) return unknown();
    ids.user = *user;
    ids.group = number_of(line->at(3)).value_or(ids.group);
  }
  if (const auto number = number_of(group)) {
    ids.group = *number;
  } else if (!group.empty()) {
    const std::string groups = read_inside(root, "etc/group");
    const auto line = find_line(groups, group);
    const auto found = line ? number_of(line->at(2)) : std::nullopt;
    if (!found) return unknown();
    ids.group = *found;
  }
  if (ids.user == 0) ids.user = UserIds().user;
  if (ids.group == 0) ids.group = UserIds().group;
  return ids;
}

Result<wire::Image> Images::describe(const Function& function) const {
  CANOPY_TRY(const fs::path code, find_code_(function.digest));
  CANOPY_TRY(const Mapped archive, Mapped::open(code));
  return wire::read_image(archive.bytes());
}

Result<void> Images::make(const Function& function, const std::string& name) const {
  CANOPY_TRY(const fs::path code, find_code_(function.digest));
  CANOPY_TRY(const Mapped archive, Mapped::open(code));
  CANOPY_TRY(const wire::Image image, wire::read_image(archive.bytes()));
  CANOPY_TRY(const fs::path made, folders_.begin(name));
  std::error_code error;
  fs::create_directory(made / "root", error);
  if (error) return fail(Code::unavailable, "cannot make " + made.string() + ": " + error.message());
  UnpackLimits limits = limits_;
  if (const std::uint64_t said = wire::image_bytes(function.env); said > 0) {
    limits.said_bytes = std::min(limits.said_bytes, said);
  }
  const Result<void> unpacked = unpack(archive.bytes(), image, made / "root", limits);
  if (unpacked) return folders_.finish(made, name);
  fs::remove_all(made, error);
  return unpacked;
}

}  // namespace canopy::container
