#include "guest/host_io.h"

#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace canopy::guest {
namespace {

constexpr std::array<std::pair<int, Errno>, 32> errors = {{
    {EACCES, Errno::acces},      {EAGAIN, Errno::again},       {EBADF, Errno::badf},
    {EBUSY, Errno::busy},        {EDQUOT, Errno::dquot},       {EEXIST, Errno::exist},
    {EFBIG, Errno::fbig},        {EILSEQ, Errno::ilseq},       {EINTR, Errno::intr},
    {EINVAL, Errno::inval},      {EISDIR, Errno::isdir},       {ELOOP, Errno::loop},
    {EMFILE, Errno::mfile},      {EMLINK, Errno::mlink},       {ENAMETOOLONG, Errno::nametoolong},
    {ENFILE, Errno::nfile},      {ENODEV, Errno::nodev},       {ENOENT, Errno::noent},
    {ENOMEM, Errno::nomem},      {ENOSPC, Errno::nospc},       {ENOSYS, Errno::nosys},
    {ENOTDIR, Errno::notdir},    {ENOTEMPTY, Errno::notempty}, {ENXIO, Errno::nxio},
    {EOPNOTSUPP, Errno::notsup}, {EOVERFLOW, Errno::overflow}, {EPERM, Errno::perm},
    {EPIPE, Errno::pipe},        {EROFS, Errno::rofs},         {ESPIPE, Errno::spipe},
    {ETXTBSY, Errno::txtbsy},    {EXDEV, Errno::xdev},
}};

std::uint64_t nanoseconds(const timespec& time) {
  if (time.tv_sec < 0) return 0;
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

timespec time_or_omit(const std::optional<std::uint64_t>& time) {
  if (!time) return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  return {.tv_sec = static_cast<time_t>(*time / 1'000'000'000),
          .tv_nsec = static_cast<long>(*time % 1'000'000'000)};
}

class HostStream final : public Node {
 public:
  explicit HostStream(int number) : number_(number) {
    const auto found = host_stat(number_);
    // Isatty() of a guest asks for a character device that cannot seek: true of terminals alone.
    if (isatty(number_) != 0) {
      type_ = Filetype::character_device;
    } else if (found && found->type == Filetype::regular_file) {
      type_ = Filetype::regular_file;
    }
  }
  Filetype type() const override { return type_; }
  bool seekable() const override { return false; }
  Io<Stat> stat() override { return host_stat(number_); }
  Io<void> set_times(const Times& times) override { return host_set_times(number_, times); }

  Io<std::size_t> read(std::span<std::byte> into, std::uint64_t /*offset*/) override {
    const ssize_t got = ::read(number_, into.data(), into.size());
    if (got < 0) return io_error(errno_of(errno));
    return static_cast<std::size_t>(got);
  }
  Io<std::size_t> write(std::span<const std::byte> from, std::uint64_t /*offset*/) override {
    const ssize_t put = ::write(number_, from.data(), from.size());
    if (put < 0) return io_error(errno_of(errno));
    return static_cast<std::size_t>(put);
  }
  Io<void> resize(std::uint64_t /*size*/) override { return io_error(Errno::inval); }
  Io<void> allocate(std::uint64_t /*offset*/, std::uint64_t /*size*/) override {
    return io_error(Errno::spipe);
  }

 private:
  const int number_;
  Filetype type_ = Filetype::unknown;
};

}  // namespace

Errno errno_of(int error) {
  for (const auto& [theirs, ours] : errors) {
    if (theirs == error) return ours;
  }
  return error == 0 ? Errno::success : Errno::io;
}

Filetype host_type(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return Filetype::regular_file;
    case S_IFDIR:
      return Filetype::directory;
    case S_IFLNK:
      return Filetype::symbolic_link;
    case S_IFCHR:
      return Filetype::character_device;
    case S_IFBLK:
      return Filetype::block_device;
    case S_IFSOCK:
      return Filetype::socket_stream;
    default:
      return Filetype::unknown;
  }
}

Io<Stat> host_stat(int descriptor) {
  struct stat found{};
  if (fstat(descriptor, &found) != 0) return io_error(errno_of(errno));
  return Stat{.device = found.st_dev,
              .inode = found.st_ino,
              .type = host_type(found.st_mode),
              .links = found.st_nlink,
              .size = static_cast<std::uint64_t>(found.st_size),
              .accessed = nanoseconds(found.st_atim),
              .modified = nanoseconds(found.st_mtim),
              .changed = nanoseconds(found.st_ctim)};
}

Io<void> host_set_times(int descriptor, const Times& times) {
  const std::array<timespec, 2> pair = {time_or_omit(times.accessed), time_or_omit(times.modified)};
  const int set = utimensat(descriptor, "", pair.data(), AT_EMPTY_PATH);
  return set == 0 ? Io<void>{} : Io<void>(io_error(errno_of(errno)));
}

std::unique_ptr<Node> open_host_stream(int descriptor) { return std::make_unique<HostStream>(descriptor); }

}  // namespace canopy::guest
