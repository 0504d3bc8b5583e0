#pragma once
// The types of WASI preview 1 as they cross the border: numbers, flags, and structures byte for byte as
// they lie in the guest's memory. Nothing here does anything.
//
// Padding is spelled out and zero, so that no byte of ours reaches a guest by accident.

#include <bit>
#include <cstdint>

namespace canopy::guest {

static_assert(std::endian::native == std::endian::little,
              "guests are little-endian; we copy their structures");

enum class Errno : std::uint16_t {
  success = 0,
  toobig = 1,
  acces = 2,
  again = 6,
  badf = 8,
  busy = 10,
  dquot = 19,
  exist = 20,
  fault = 21,
  fbig = 22,
  ilseq = 25,
  intr = 27,
  inval = 28,
  io = 29,
  isdir = 31,
  loop = 32,
  mfile = 33,
  mlink = 34,
  nametoolong = 37,
  nfile = 41,
  nodev = 43,
  noent = 44,
  nomem = 48,
  nospc = 51,
  nosys = 52,
  notdir = 54,
  notempty = 55,
  notsock = 57,
  notsup = 58,
  notty = 59,
  nxio = 60,
  overflow = 61,
  perm = 63,
  pipe = 64,
  range = 68,
  rofs = 69,
  spipe = 70,
  txtbsy = 74,
  xdev = 75,
  notcapable = 76,
};

using Rights = std::uint64_t;

namespace rights {
inline constexpr Rights fd_datasync = 1ULL << 0;
inline constexpr Rights fd_read = 1ULL << 1;
inline constexpr Rights fd_seek = 1ULL << 2;
inline constexpr Rights fd_fdstat_set_flags = 1ULL << 3;
inline constexpr Rights fd_sync = 1ULL << 4;
inline constexpr Rights fd_tell = 1ULL << 5;
inline constexpr Rights fd_write = 1ULL << 6;
inline constexpr Rights fd_advise = 1ULL << 7;
inline constexpr Rights fd_allocate = 1ULL << 8;
inline constexpr Rights path_create_directory = 1ULL << 9;
inline constexpr Rights path_create_file = 1ULL << 10;
inline constexpr Rights path_link_source = 1ULL << 11;
inline constexpr Rights path_link_target = 1ULL << 12;
inline constexpr Rights path_open = 1ULL << 13;
inline constexpr Rights fd_readdir = 1ULL << 14;
inline constexpr Rights path_readlink = 1ULL << 15;
inline constexpr Rights path_rename_source = 1ULL << 16;
inline constexpr Rights path_rename_target = 1ULL << 17;
inline constexpr Rights path_filestat_get = 1ULL << 18;
inline constexpr Rights path_filestat_set_size = 1ULL << 19;
inline constexpr Rights path_filestat_set_times = 1ULL << 20;
inline constexpr Rights fd_filestat_get = 1ULL << 21;
inline constexpr Rights fd_filestat_set_size = 1ULL << 22;
inline constexpr Rights fd_filestat_set_times = 1ULL << 23;
inline constexpr Rights path_symlink = 1ULL << 24;
inline constexpr Rights path_remove_directory = 1ULL << 25;
inline constexpr Rights path_unlink_file = 1ULL << 26;
inline constexpr Rights poll_fd_readwrite = 1ULL << 27;

// What makes sense on each kind of descriptor; path_open gives out no more.
inline constexpr Rights of_file = fd_datasync | fd_read | fd_seek | fd_fdstat_set_flags | fd_sync | fd_tell |
                                  fd_write | fd_advise | fd_allocate | fd_filestat_get |
                                  fd_filestat_set_size | fd_filestat_set_times | poll_fd_readwrite;
inline constexpr Rights of_folder =
    fd_fdstat_set_flags | fd_sync | fd_advise | path_create_directory | path_create_file | path_link_source |
    path_link_target | path_open | fd_readdir | path_readlink | path_rename_source | path_rename_target |
    path_filestat_get | path_filestat_set_size | path_filestat_set_times | fd_filestat_get |
    fd_filestat_set_times | path_symlink | path_remove_directory | path_unlink_file;
inline constexpr Rights of_input = fd_read | fd_fdstat_set_flags | fd_filestat_get | poll_fd_readwrite;
inline constexpr Rights of_output =
    fd_write | fd_fdstat_set_flags | fd_filestat_get | fd_sync | fd_datasync | poll_fd_readwrite;
inline constexpr Rights all = of_file | of_folder;
}  // namespace rights

enum class Filetype : std::uint8_t {
  unknown = 0,
  block_device = 1,
  character_device = 2,
  directory = 3,
  regular_file = 4,
  socket_dgram = 5,
  socket_stream = 6,
  symbolic_link = 7,
};

enum class ClockId : std::uint32_t { realtime = 0, monotonic = 1, process_cputime = 2, thread_cputime = 3 };
enum class Whence : std::uint32_t { set = 0, cur = 1, end = 2 };
enum class EventType : std::uint8_t { clock = 0, fd_read = 1, fd_write = 2 };

namespace fdflags {
inline constexpr std::uint32_t append = 1, dsync = 2, nonblock = 4, rsync = 8, sync = 16, all = 31;
}
namespace oflags {
inline constexpr std::uint32_t creat = 1, directory = 2, excl = 4, trunc = 8, all = 15;
}
namespace fstflags {
inline constexpr std::uint32_t atim = 1, atim_now = 2, mtim = 4, mtim_now = 8, all = 15;
}
namespace lookupflags {
inline constexpr std::uint32_t symlink_follow = 1, all = 1;
}
inline constexpr std::uint16_t subscription_clock_abstime = 1;

struct WasiIovec {
  std::uint32_t buffer = 0;
  std::uint32_t size = 0;
};
static_assert(sizeof(WasiIovec) == 8);

struct WasiFdstat {
  Filetype filetype{};
  std::uint8_t padding_1 = 0;
  std::uint16_t flags = 0;
  std::uint32_t padding_2 = 0;
  Rights base = 0;
  Rights inheriting = 0;
};
static_assert(sizeof(WasiFdstat) == 24);

struct WasiFilestat {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  Filetype filetype{};
  std::uint8_t padding[7] = {};
  std::uint64_t links = 0;
  std::uint64_t size = 0;
  std::uint64_t accessed = 0;
  std::uint64_t modified = 0;
  std::uint64_t changed = 0;
};
static_assert(sizeof(WasiFilestat) == 64);

struct WasiDirent {
  std::uint64_t next = 0;
  std::uint64_t inode = 0;
  std::uint32_t name_size = 0;
  Filetype filetype{};
  std::uint8_t padding[3] = {};
};
static_assert(sizeof(WasiDirent) == 24);

struct WasiPrestat {
  std::uint8_t tag = 0;  // A folder: the only kind there is.
  std::uint8_t padding[3] = {};
  std::uint32_t name_size = 0;
};
static_assert(sizeof(WasiPrestat) == 8);

struct WasiSubscription {
  std::uint64_t userdata = 0;
  EventType type{};
  std::uint8_t padding_1[7] = {};
  std::uint32_t subject = 0;  // The number of the clock, or of the descriptor.
  std::uint32_t padding_2 = 0;
  std::uint64_t timeout = 0;
  std::uint64_t precision = 0;
  std::uint16_t flags = 0;
  std::uint8_t padding_3[6] = {};
};
static_assert(sizeof(WasiSubscription) == 48);

struct WasiEvent {
  std::uint64_t userdata = 0;
  Errno error{};
  EventType type{};
  std::uint8_t padding_1[5] = {};
  std::uint64_t ready_bytes = 0;
  std::uint16_t flags = 0;
  std::uint8_t padding_2[6] = {};
};
static_assert(sizeof(WasiEvent) == 32);

}  // namespace canopy::guest
