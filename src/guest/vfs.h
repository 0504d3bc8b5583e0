#pragma once
// What a guest's descriptors stand for: open files and folders, whatever is behind them.
//
//   descriptor ──▶ Node   tree.h:        the function's own files, /etc, a private /tmp; all in memory
//                         host_folder.h: a folder of the machine, for `canopy run` only
//                         host_stream.h: a standard stream of the process, for `canopy run` only
//
// Paths are relative to a folder's node and never lead out of it: a path that begins with '/' or climbs
// above its start is refused with notcapable. Only at the root of the tree is ".." the root itself, as
// everywhere. Names are at most 255 bytes, paths 4096, links followed 40.
//
// A method that makes no sense on a node answers notdir on a file, isdir or badf on a folder. Besides what
// a method lists, each may answer noent, notdir, loop, nametoolong, notcapable for its path, rofs where
// nothing may be changed, nospc where the private /tmp is full, and io.
//
// Threads: a node belongs to its call. Life: its tree outlives it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "guest/wasi.h"

namespace canopy::guest {

template <class T>
using Io = tl::expected<T, Errno>;

inline tl::unexpected<Errno> io_error(Errno error) { return tl::unexpected(error); }

inline constexpr std::size_t name_size_max = 255;
inline constexpr std::size_t path_size_max = 4096;
inline constexpr int links_followed_max = 40;

// Times are nanoseconds since 1970.
struct Stat {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  Filetype type = Filetype::unknown;
  std::uint64_t links = 1;
  std::uint64_t size = 0;
  std::uint64_t accessed = 0;
  std::uint64_t modified = 0;
  std::uint64_t changed = 0;
};

struct Times {  // What is absent stays as it is.
  std::optional<std::uint64_t> accessed;
  std::optional<std::uint64_t> modified;
};

struct OpenHow {
  bool read = false;
  bool write = false;
  bool create = false;
  bool exclusive = false;  // With create: fail where it exists.
  bool truncate = false;
  bool folder = false;  // Fail where it is not a folder.
  bool follow = false;  // A link at the end of the path.
};

struct Entry {
  std::uint64_t next = 0;  // The cookie that lists on after this entry.
  std::uint64_t inode = 0;
  Filetype type = Filetype::unknown;
  std::string_view name;
};

// Takes an entry; false ends the listing.
using TakeEntry = std::function<bool(const Entry&)>;

class Node {
 public:
  virtual ~Node() = default;

  virtual Filetype type() const = 0;
  virtual bool seekable() const { return type() == Filetype::regular_file; }
  virtual Io<Stat> stat() = 0;
  virtual Io<void> set_times(const Times& times) = 0;
  virtual Io<void> sync() { return {}; }

  // Files. A read at or past the end gives 0 bytes; a write past the end leaves a hole of zeros.
  virtual Io<std::size_t> read(std::span<std::byte> into, std::uint64_t offset);
  //   nospc, fbig  not even one byte fits; else what fits is written
  virtual Io<std::size_t> write(std::span<const std::byte> from, std::uint64_t offset);
  virtual Io<void> resize(std::uint64_t size);
  // Makes sure that [offset, offset + size) can be written; the file grows where it is shorter.
  virtual Io<void> allocate(std::uint64_t offset, std::uint64_t size);

  // Folders. Entries from `cookie` on (0: the first), with "." and "..".
  virtual Io<void> list(std::uint64_t cookie, const TakeEntry& take);
  //   exist  exclusive, and it is there    isdir  write or create, and it is a folder
  //   loop   a link at the end, and not follow
  virtual Io<std::unique_ptr<Node>> open(const std::string& path, const OpenHow& how);
  virtual Io<Stat> stat_at(const std::string& path, bool follow);
  virtual Io<void> set_times_at(const std::string& path, bool follow, const Times& times);
  //   exist
  virtual Io<void> create_folder(const std::string& path);
  //   notempty
  virtual Io<void> remove_folder(const std::string& path);
  //   isdir
  virtual Io<void> unlink(const std::string& path);
  //   exist
  virtual Io<void> symlink(const std::string& target, const std::string& path);
  //   inval  not a link
  virtual Io<std::string> read_link(const std::string& path);
  //   exist, xdev (the folders have different roots), perm (a folder)
  virtual Io<void> link(const std::string& path, bool follow, Node& to, const std::string& to_path);
  //   xdev, notempty, isdir, inval (a folder into itself)
  virtual Io<void> rename(const std::string& path, Node& to, const std::string& to_path);
};

}  // namespace canopy::guest
