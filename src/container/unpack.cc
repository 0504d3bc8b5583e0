#include "container/unpack.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"
#include "container/gunzip.h"
#include "wire/tar.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;
using wire::TarEntry;

constexpr std::string_view whiteout = ".wh.";
constexpr std::string_view opaque = ".wh..wh..opq";
constexpr mode_t folder_mode = 0755;
constexpr mode_t shared_mode = 01777;
constexpr unsigned kept_mode = 01777;  // Without set-user-id and set-group-id: nobody gains rights in there.
constexpr std::uint64_t other_bytes_max = GiB;
constexpr std::uint64_t bytes_between_looks = 16 * MiB;
constexpr std::ptrdiff_t depth_max = 256;  // Deeper folders can hardly be removed again.
constexpr std::array<const char*, 5> own_folders = {"proc", "dev", "tmp", "sys", "etc"};

// What the disk does not do is not the image's fault; all else is.
tl::unexpected<Error> broken(std::string_view what, const std::string& path) {
  const int number = errno;
  constexpr std::array faults_of_disk = {ENOSPC, EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, EROFS, EACCES};
  const bool is_disk = std::ranges::find(faults_of_disk, number) != faults_of_disk.end();
  return fail(is_disk ? Code::unavailable : Code::refused,
              "the image cannot be unpacked: " + std::string(what) + " '" + log_safe(path, 200) +
                  "': " + std::strerror(number));  // NOLINT(concurrency-mt-unsafe)
}

// A path's folder, and its last part.
std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

class Unpacker {
 public:
  Unpacker(Descriptor root, const UnpackLimits& limits) : root_(std::move(root)), limits_(limits) {}

  // Whatever is done with a layer, its bytes are asked for on the way.
  Result<void> add_layer(const wire::ReadBytes& source) {
    written_.clear();
    written_bytes_ = 0;
    wire::TarReader reader([this, source](char* to, std::size_t size) -> Result<std::size_t> {
      CANOPY_TRY_VOID(check_going_on());
      return source(to, size);
    });
    for (;;) {
      CANOPY_TRY(const auto entry, reader.next());
      if (!entry) break;
      CANOPY_TRY_VOID(count_entry());
      byte_count_ += entry->size_bytes;
      // What is neither file nor folder is of some size too.
      const std::uint64_t read_bytes_max = limits_.bytes_max + other_bytes_max;
      if (byte_count_ > limits_.bytes_max || earlier_bytes_ + reader.position() > read_bytes_max) {
        return fail(Code::too_large, "the image becomes larger than the " + size_text(limits_.bytes_max) +
                                         " that one may have; leave out what is not needed");
      }
      if (byte_count_ > limits_.said_bytes) {
        return fail(Code::too_large, "the image becomes larger than the " + size_text(limits_.said_bytes) +
                                         " that its layers say they are; write it anew, for instance with "
                                         "docker save");
      }
      CANOPY_TRY_VOID(add(*entry, reader));
    }
    earlier_bytes_ += reader.position();
    return {};
  }

  // What the container's own mounts lie on, and what programs expect.
  Result<void> finish() const {
    for (const char* const name : own_folders) {
      struct stat about{};
      const bool there = fstatat(root_.get(), name, &about, AT_SYMLINK_NOFOLLOW) == 0;
      if (there && S_ISDIR(about.st_mode)) continue;
      if (there && unlinkat(root_.get(), name, 0) != 0) return broken("replacing", name);
      if (mkdirat(root_.get(), name, folder_mode) != 0) return broken("making", name);
    }
    // What is mounted there has the mode of the folder below.
    if (fchmodat(root_.get(), "tmp", shared_mode, 0) != 0) return broken("opening", "tmp");
    const Descriptor hosts(open_below("etc/hosts", O_WRONLY | O_CREAT | O_EXCL, 0644));
    constexpr std::string_view text = "127.0.0.1 localhost\n";
    if (hosts && write(hosts.get(), text.data(), text.size()) < 0) return broken("writing", "etc/hosts");
    return {};
  }

 private:
  // As from inside: links are followed, but never out of the root.
  int open_below(const std::string& path, int flags, mode_t mode = 0) const {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = mode;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const char* const name = path.empty() ? "." : path.c_str();
    return static_cast<int>(syscall(SYS_openat2, root_.get(), name, &how, sizeof how));
  }

  Result<void> check_going_on() {
    if (limits_.stop.stop_requested()) {
      return fail(Code::unavailable,
                  "the image is not unpacked: the server stops; deploy it again once it runs");
    }
    if (system_clock().now() > until_) {
      return fail(Code::limit, "the image takes longer to unpack than " + duration_text(limits_.time_max) +
                                   "; leave out what is not needed");
    }
    if (byte_count_ < looked_at_bytes_ + bytes_between_looks) return {};
    looked_at_bytes_ = byte_count_;
    struct statvfs disk{};
    const bool known = fstatvfs(root_.get(), &disk) == 0;
    if (!known || std::uint64_t{disk.f_bavail} * disk.f_frsize >= limits_.free_bytes_min) return {};
    return fail(Code::unavailable, "the image is not unpacked: the disk would have less than " +
                                       size_text(limits_.free_bytes_min) + " left; make room on it");
  }

  Result<void> count_entry() {
    if (++entry_count_ <= limits_.entries_max) return {};
    return fail(Code::too_large, "the image has more than " + std::to_string(limits_.entries_max) +
                                     " files and folders; leave out what is not needed");
  }

  // A folder in `parent` is not too deep. By links, paths that are short lead far down.
  static Result<void> check_depth(const Descriptor& parent, const std::string& path) {
    std::array<char, PATH_MAX> place{};
    const std::string self = "/proc/self/fd/" + std::to_string(parent.get());
    const ssize_t size = readlink(self.c_str(), place.data(), place.size());
    if (size < 0 && errno != ENAMETOOLONG) return broken("finding the folder of", path);
    const std::string_view text(place.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
    if (size >= 0 && text.size() < place.size() && std::ranges::count(text, '/') < depth_max) return {};
    return fail(Code::refused, "the image cannot be unpacked: its folders lie in each other more than " +
                                   std::to_string(depth_max) + " deep: '" + log_safe(path, 200) + "'");
  }

  // The folder of that path, made where it is not there: such a one is an entry, too.
  Result<Descriptor> folder_of(const std::string& path) {
    Descriptor found(open_below(path, O_RDONLY | O_DIRECTORY));
    if (found) return found;
    if (errno != ENOENT) return broken("opening the folder", path);
    const auto [above, name] = split(path);
    if (path.empty()) return broken("opening the folder", path);
    CANOPY_TRY(const Descriptor parent, folder_of(above));
    CANOPY_TRY_VOID(count_entry());
    CANOPY_TRY_VOID(check_depth(parent, path));
    if (mkdirat(parent.get(), name.c_str(), folder_mode) != 0 && errno != EEXIST) {
      return broken("making the folder", path);
    }
    found = Descriptor(open_below(path, O_RDONLY | O_DIRECTORY));
    if (!found) return broken("opening the folder", path);
    return found;
  }

  // What is there is gone then, with all that is in it; links are not followed.
  static Result<void> remove_from(const Descriptor& folder, const std::string& name) {
    if (unlinkat(folder.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
    std::error_code error;
    fs::remove_all("/proc/self/fd/" + std::to_string(folder.get()) + "/" + name, error);
    if (!error) return {};
    return fail(Code::unavailable,
                "the image cannot be unpacked: removing '" + log_safe(name, 200) + "': " + error.message());
  }

  // Of the folder all that lower layers laid there; what this one did stays.
  Result<void> hide_all(const std::string& path, const Descriptor& folder) const {
    std::error_code error;
    std::vector<std::string> names;
    const fs::path place = "/proc/self/fd/" + std::to_string(folder.get());
    for (fs::directory_iterator at(place, error); at != fs::directory_iterator(); at.increment(error)) {
      names.push_back(at->path().filename().string());
    }
    if (error) return fail(Code::unavailable, "the image cannot be unpacked: " + error.message());
    for (const std::string& name : names) {
      if (written_.contains(path.empty() ? name : path + '/' + name)) continue;
      CANOPY_TRY_VOID(remove_from(folder, name));
    }
    return {};
  }

  Result<void> add(const TarEntry& entry, wire::TarReader& reader) {
    const auto [above, name] = split(entry.path);
    if (name.empty()) return {};  // The top itself.
    CANOPY_TRY(const Descriptor folder, folder_of(above));
    if (name == opaque) return hide_all(above, folder);
    if (name.starts_with(whiteout)) {
      const std::string hidden = name.substr(whiteout.size());
      if (hidden.empty() || hidden == "." || hidden == "..") {
        return fail(Code::refused, "the image cannot be read: a mark in it removes nothing that has a name");
      }
      return remove_from(folder, hidden);
    }
    CANOPY_TRY_VOID(make(entry, folder, name, reader));
    for (std::string path = entry.path; !path.empty(); path = split(path).first) {
      if (!written_.insert(path).second) break;
      written_bytes_ += path.size();
    }
    if (written_bytes_ <= limits_.name_bytes_max) return {};
    return fail(Code::too_large, "the names of the files in a layer of the image are longer than " +
                                     size_text(limits_.name_bytes_max) +
                                     " together; leave out what is not needed");
  }

  Result<void> make(const TarEntry& entry, const Descriptor& folder, const std::string& name,
                    wire::TarReader& reader) {
    switch (entry.kind) {
      case TarEntry::Kind::folder:
        return make_folder(entry, folder, name);
      case TarEntry::Kind::symlink:
        CANOPY_TRY_VOID(remove_from(folder, name));
        if (symlinkat(entry.target.c_str(), folder.get(), name.c_str()) != 0)
          return broken("linking", entry.path);
        return own(entry, folder, name);
      case TarEntry::Kind::hardlink:
        return make_link(entry, folder, name);
      case TarEntry::Kind::device:
        // Its own /dev lies above that of the image.
        if (entry.path.starts_with("dev/")) return {};
        return fail(Code::refused, "the image has a device or a pipe, '" + log_safe(entry.path, 200) +
                                       "', and a function may have none; build it without");
      case TarEntry::Kind::file:
        break;
    }
    CANOPY_TRY_VOID(remove_from(folder, name));
    const Descriptor file(
        openat(folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return broken("writing", entry.path);
    std::array<char, 64 * KiB> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (;;) {
      CANOPY_TRY(const std::size_t got, reader.read(piece.data(), piece.size()));
      if (got == 0) break;
      for (std::size_t done = 0; done < got;) {
        const ssize_t written = write(file.get(), piece.data() + done, got - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return broken("writing", entry.path);
        done += static_cast<std::size_t>(written);
      }
    }
    CANOPY_TRY_VOID(own(entry, folder, name));
    if (fchmod(file.get(), entry.mode & kept_mode) != 0) return broken("writing", entry.path);
    return {};
  }

  static Result<void> make_folder(const TarEntry& entry, const Descriptor& folder, const std::string& name) {
    struct stat about{};
    const bool there = fstatat(folder.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISDIR(about.st_mode)) CANOPY_TRY_VOID(remove_from(folder, name));
    CANOPY_TRY_VOID(check_depth(folder, entry.path));
    if (mkdirat(folder.get(), name.c_str(), folder_mode) != 0 && errno != EEXIST) {
      return broken("making the folder", entry.path);
    }
    CANOPY_TRY_VOID(own(entry, folder, name));
    if (fchmodat(folder.get(), name.c_str(), entry.mode & kept_mode, 0) != 0) {
      return broken("making the folder", entry.path);
    }
    return {};
  }

  Result<void> make_link(const TarEntry& entry, const Descriptor& folder, const std::string& name) {
    const auto [target_above, target_name] = split(entry.target);
    CANOPY_TRY(const Descriptor target_folder, folder_of(target_above));
    struct stat about{};
    if (target_name.empty() ||
        fstatat(target_folder.get(), target_name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 ||
        S_ISDIR(about.st_mode)) {
      return fail(Code::refused, "the image cannot be read: '" + log_safe(entry.path, 200) +
                                     "' is linked with '" + log_safe(entry.target, 200) +
                                     "', which is no file in it");
    }
    if (entry.target == entry.path) return {};
    CANOPY_TRY_VOID(remove_from(folder, name));
    if (linkat(target_folder.get(), target_name.c_str(), folder.get(), name.c_str(), 0) != 0) {
      return broken("linking", entry.path);
    }
    return {};
  }

  // Where this process may not, all is its own.
  static Result<void> own(const TarEntry& entry, const Descriptor& folder, const std::string& name) {
    constexpr std::uint64_t id_max = 0xffff'fffe;
    if (entry.user > id_max || entry.group > id_max) {
      return fail(Code::refused,
                  "the image cannot be read: '" + log_safe(entry.path, 200) + "' has no owner");
    }
    if (geteuid() != 0) return {};
    if (fchownat(folder.get(), name.c_str(), static_cast<uid_t>(entry.user), static_cast<gid_t>(entry.group),
                 AT_SYMLINK_NOFOLLOW) == 0) {
      return {};
    }
    return broken("giving away", entry.path);
  }

  const Descriptor root_;
  const UnpackLimits limits_;
  const Time until_ = system_clock().now() + limits_.time_max;
  std::uint64_t looked_at_bytes_ = 0;  // When the room on the disk was looked at last.
  std::uint64_t entry_count_ = 0;
  std::uint64_t byte_count_ = 0;
  std::uint64_t earlier_bytes_ = 0;             // Of the layers that are done, as they were read.
  std::set<std::string, std::less<>> written_;  // By the layer that is being laid.
  std::uint64_t written_bytes_ = 0;             // Of those names.
};

}  // namespace

std::uint64_t unpacked_bytes(std::string_view archive, const wire::Image& image) {
  constexpr std::size_t trailer_bytes = 4;  // gzip ends with how much it was, little-endian.
  std::uint64_t sum = 0;
  for (const wire::ImageLayer& layer : image.layers) {
    if (!layer.compressed || layer.size_bytes < trailer_bytes) {
      sum += layer.size_bytes;
      continue;
    }
    std::uint32_t said = 0;
    const std::string_view trailer =
        archive.substr(layer.at + layer.size_bytes - trailer_bytes, trailer_bytes);
    for (std::size_t i = trailer_bytes; i-- > 0;) said = said << 8U | static_cast<unsigned char>(trailer[i]);
    sum += std::max<std::uint64_t>(said, layer.size_bytes);
  }
  return sum;
}

Result<void> unpack(std::string_view archive, const wire::Image& image, const fs::path& root,
                    const UnpackLimits& limits) {
  Descriptor folder(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return broken("opening", root.string());
  Unpacker unpacker(std::move(folder), limits);
  for (const wire::ImageLayer& layer : image.layers) {
    auto bytes = wire::read_from(archive.substr(layer.at, layer.size_bytes));
    CANOPY_TRY_VOID(unpacker.add_layer(layer.compressed ? gunzip(std::move(bytes)) : std::move(bytes)));
  }
  return unpacker.finish();
}

}  // namespace canopy::container
