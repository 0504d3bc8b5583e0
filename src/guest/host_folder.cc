#include "guest/host_folder.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "guest/host_io.h"

namespace canopy::guest {
namespace {

tl::unexpected<Errno> failed() { return io_error(errno_of(errno)); }
Io<void> done(int result) { return result == 0 ? Io<void>{} : Io<void>(failed()); }

// Opens within `folder`, never outside it.
Io<Descriptor> open_beneath(int folder, const char* path, std::uint64_t flags, std::uint64_t mode) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < 8; ++attempt) {
    const long opened = syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (opened >= 0) return Descriptor(static_cast<int>(opened));
    if (errno != EAGAIN) break;  // A rename elsewhere raced with a ".." of the path.
  }
  // EXDEV here means that the path led out.
  return io_error(errno == EXDEV ? Errno::notcapable : errno_of(errno));
}

Filetype type_of_entry(unsigned char type) { return host_type(DTTOIF(static_cast<mode_t>(type))); }

std::uint64_t access_flags(const OpenHow& how) {
  if (how.folder || !how.write) return O_RDONLY;
  return how.read ? O_RDWR : O_WRONLY;
}

class HostNode final : public Node {
 public:
  HostNode(Descriptor descriptor, Filetype type) : descriptor_(std::move(descriptor)), type_(type) {}

  Filetype type() const override { return type_; }
  Io<Stat> stat() override { return host_stat(number()); }
  Io<void> set_times(const Times& times) override { return host_set_times(number(), times); }
  Io<void> sync() override { return done(fsync(number())); }

  Io<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) override;
  Io<std::size_t> write(std::span<const std::byte> from, std::uint64_t offset) override;
  Io<void> resize(std::uint64_t size) override;
  Io<void> allocate(std::uint64_t offset, std::uint64_t size) override;

  Io<void> list(std::uint64_t cookie, const TakeEntry& take) override;
  Io<std::unique_ptr<Node>> open(const std::string& path, const OpenHow& how) override;
  Io<Stat> stat_at(const std::string& path, bool follow) override;
  Io<void> set_times_at(const std::string& path, bool follow, const Times& times) override;
  Io<void> create_folder(const std::string& path) override;
  Io<void> remove_folder(const std::string& path) override;
  Io<void> unlink(const std::string& path) override;
  Io<void> symlink(const std::string& target, const std::string& path) override;
  Io<std::string> read_link(const std::string& path) override;
  Io<void> link(const std::string& path, bool follow, Node& to, const std::string& to_path) override;
  Io<void> rename(const std::string& path, Node& to, const std::string& to_path) override;

 private:
  // A path split for the calls that take a folder and a name: the name keeps its trailing slash, which says
  // that a folder is meant. The kernel follows no link at the end of such a path.
  struct Split {
    Descriptor folder;
    std::string name;
  };

  int number() const { return descriptor_.get(); }
  bool is_folder() const { return type_ == Filetype::directory; }
  Io<Split> split(const std::string& path) const;
  Io<Descriptor> peek(const std::string& path, bool follow) const;

  const Descriptor descriptor_;
  const Filetype type_;
};

constexpr std::uint64_t offset_max = INT64_MAX;

Io<std::size_t> HostNode::read(std::span<std::byte> into, std::uint64_t offset) {
  if (is_folder()) return io_error(Errno::isdir);
  const ssize_t got = type_ == Filetype::regular_file
                          ? pread(number(), into.data(), into.size(), static_cast<off_t>(offset))
                          : ::read(number(), into.data(), into.size());
  if (got < 0) return failed();
  return static_cast<std::size_t>(got);
}

Io<std::size_t> HostNode::write(std::span<const std::byte> from, std::uint64_t offset) {
  if (is_folder()) return io_error(Errno::isdir);
  if (offset > offset_max) return io_error(Errno::inval);
  const ssize_t put = type_ == Filetype::regular_file
                          ? pwrite(number(), from.data(), from.size(), static_cast<off_t>(offset))
                          : ::write(number(), from.data(), from.size());
  if (put < 0) return failed();
  return static_cast<std::size_t>(put);
}

Io<void> HostNode::resize(std::uint64_t size) {
  if (is_folder()) return io_error(Errno::isdir);
  if (size > offset_max) return io_error(Errno::fbig);
  return done(ftruncate(number(), static_cast<off_t>(size)));
}

Io<void> HostNode::allocate(std::uint64_t offset, std::uint64_t size) {
  if (is_folder()) return io_error(Errno::isdir);
  if (size == 0) return io_error(Errno::inval);
  if (offset > offset_max || size > offset_max - offset) return io_error(Errno::fbig);
  const int error = posix_fallocate(number(), static_cast<off_t>(offset), static_cast<off_t>(size));
  return error == 0 ? Io<void>{} : Io<void>(io_error(errno_of(error)));
}

Io<void> HostNode::list(std::uint64_t cookie, const TakeEntry& take) {
  if (!is_folder()) return io_error(Errno::notdir);
  if (cookie > offset_max || lseek(number(), static_cast<off_t>(cookie), SEEK_SET) < 0) {
    return io_error(Errno::inval);
  }
  // What getdents64 writes: inode, offset of the next, size of the entry, type, name with a NUL.
  constexpr std::size_t name_at = 19;
  std::vector<char> buffer(32768);
  while (true) {
    const long got = syscall(SYS_getdents64, number(), buffer.data(), buffer.size());
    if (got < 0) return failed();
    if (got == 0) return {};
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      std::uint64_t inode = 0;
      std::uint64_t next = 0;
      std::uint16_t size = 0;
      std::memcpy(&inode, &buffer[at], sizeof inode);
      std::memcpy(&next, &buffer[at + 8], sizeof next);
      std::memcpy(&size, &buffer[at + 16], sizeof size);
      const auto type = type_of_entry(static_cast<unsigned char>(buffer[at + 18]));
      if (!take({.next = next, .inode = inode, .type = type, .name = &buffer[at + name_at]})) return {};
      at += size;
    }
  }
}

Io<HostNode::Split> HostNode::split(const std::string& path) const {
  if (!is_folder()) return io_error(Errno::notdir);
  if (path.empty()) return io_error(Errno::noent);
  if (path.front() == '/') return io_error(Errno::notcapable);
  const std::size_t name_end = path.find_last_not_of('/') + 1;
  const std::size_t slash = path.find_last_of('/', name_end - 1);
  const std::size_t name_at = slash == std::string::npos ? 0 : slash + 1;
  std::string name = path.substr(name_at, name_end - name_at);
  if (name == "." || name == "..") return io_error(Errno::inval);
  if (name_end < path.size()) name += '/';
  const std::string folder = name_at == 0 ? "." : path.substr(0, name_at);
  auto opened = open_beneath(number(), folder.c_str(), O_PATH | O_DIRECTORY, 0);
  if (!opened) return io_error(opened.error());
  return Split{*std::move(opened), std::move(name)};
}

Io<Descriptor> HostNode::peek(const std::string& path, bool follow) const {
  if (!is_folder()) return io_error(Errno::notdir);
  const std::uint64_t flags = follow ? O_PATH : O_PATH | O_NOFOLLOW;
  return open_beneath(number(), path.c_str(), flags, 0);
}

Io<std::unique_ptr<Node>> HostNode::open(const std::string& path, const OpenHow& how) {
  if (!is_folder()) return io_error(Errno::notdir);
  if (how.create && how.folder) return io_error(Errno::inval);
  std::uint64_t flags = access_flags(how) | O_NONBLOCK | O_NOCTTY;
  if (how.create) flags |= O_CREAT;
  if (how.exclusive) flags |= O_EXCL;
  if (how.truncate) flags |= O_TRUNC;
  if (how.folder) flags |= O_DIRECTORY;
  if (!how.follow) flags |= O_NOFOLLOW;
  auto opened = open_beneath(number(), path.c_str(), flags, how.create ? 0666 : 0);
  if (!opened) return io_error(opened.error());
  const auto found = host_stat(opened->get());
  if (!found) return io_error(found.error());
  return std::make_unique<HostNode>(*std::move(opened), found->type);
}

Io<Stat> HostNode::stat_at(const std::string& path, bool follow) {
  const auto found = peek(path, follow);
  return found ? host_stat(found->get()) : Io<Stat>(io_error(found.error()));
}

Io<void> HostNode::set_times_at(const std::string& path, bool follow, const Times& times) {
  const auto found = peek(path, follow);
  return found ? host_set_times(found->get(), times) : Io<void>(io_error(found.error()));
}

Io<void> HostNode::create_folder(const std::string& path) {
  const auto to = split(path);
  if (!to) return io_error(to.error() == Errno::inval ? Errno::exist : to.error());
  return done(mkdirat(to->folder.get(), to->name.c_str(), 0777));
}

Io<void> HostNode::remove_folder(const std::string& path) {
  const auto to = split(path);
  if (!to) return io_error(to.error());
  return done(unlinkat(to->folder.get(), to->name.c_str(), AT_REMOVEDIR));
}

Io<void> HostNode::unlink(const std::string& path) {
  const auto to = split(path);
  if (!to) return io_error(to.error() == Errno::inval ? Errno::isdir : to.error());
  return done(unlinkat(to->folder.get(), to->name.c_str(), 0));
}

Io<void> HostNode::symlink(const std::string& target, const std::string& path) {
  // It could not be followed, and would lead other programs somewhere else than the guest meant.
  if (target.starts_with('/')) return io_error(Errno::notcapable);
  const auto to = split(path);
  if (!to) return io_error(to.error() == Errno::inval ? Errno::exist : to.error());
  return done(symlinkat(target.c_str(), to->folder.get(), to->name.c_str()));
}

Io<std::string> HostNode::read_link(const std::string& path) {
  const auto found = peek(path, false);
  if (!found) return io_error(found.error());
  const auto what = host_stat(found->get());
  if (!what) return io_error(what.error());
  if (what->type != Filetype::symbolic_link) return io_error(Errno::inval);
  std::string target(PATH_MAX, '\0');
  const ssize_t size = readlinkat(found->get(), "", target.data(), target.size());
  if (size < 0) return failed();
  target.resize(static_cast<std::size_t>(size));
  return target;
}

Io<void> HostNode::link(const std::string& path, bool follow, Node& to, const std::string& to_path) {
  auto* const other = dynamic_cast<HostNode*>(&to);
  if (other == nullptr) return io_error(Errno::xdev);
  const auto found = peek(path, follow);
  if (!found) return io_error(found.error());
  const auto target = other->split(to_path);
  if (!target) return io_error(target.error() == Errno::inval ? Errno::exist : target.error());
  // By way of /proc, which links exactly what was found; AT_EMPTY_PATH would need a capability.
  const std::string self = "/proc/self/fd/" + std::to_string(found->get());
  return done(linkat(AT_FDCWD, self.c_str(), target->folder.get(), target->name.c_str(), AT_SYMLINK_FOLLOW));
}

Io<void> HostNode::rename(const std::string& path, Node& to, const std::string& to_path) {
  auto* const other = dynamic_cast<HostNode*>(&to);
  if (other == nullptr) return io_error(Errno::xdev);
  const auto from = split(path);
  if (!from) return io_error(from.error() == Errno::inval ? Errno::busy : from.error());
  const auto into = other->split(to_path);
  if (!into) return io_error(into.error() == Errno::inval ? Errno::busy : into.error());
  return done(renameat(from->folder.get(), from->name.c_str(), into->folder.get(), into->name.c_str()));
}

}  // namespace

Result<std::unique_ptr<Node>> open_host_folder(const std::filesystem::path& path) {
  Descriptor opened(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0) {
    const int error = errno;
    const Code code = error == ENOENT    ? Code::not_found
                      : error == ENOTDIR ? Code::invalid
                                         : Code::unavailable;
    return fail(code,
                "cannot open the folder " + path.string() + ": " + std::generic_category().message(error));
  }
  if (const auto self = open_beneath(opened.get(), ".", O_PATH, 0); !self && self.error() == Errno::nosys) {
    return fail(Code::unavailable,
                "cannot map the folder " + path.string() + ": that needs openat2, so Linux 5.6 or newer");
  }
  return std::make_unique<HostNode>(std::move(opened), Filetype::directory);
}

}  // namespace canopy::guest
