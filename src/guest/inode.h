#pragma once
// A file, folder or link of the tree in memory, of either part: the read-only image that calls share
// (image.h), or the call's own /tmp (scratch.h). tree.h walks them by path.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "guest/vfs.h"

namespace canopy::guest {

class ScratchNode;

class Inode {
 public:
  Inode() = default;
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;
  virtual ~Inode() = default;

  virtual Filetype type() const = 0;
  bool is_folder() const { return type() == Filetype::directory; }
  bool is_link() const { return type() == Filetype::symbolic_link; }
  virtual Stat stat() const = 0;

  // The node to change, or null where nothing may be changed.
  virtual ScratchNode* writable() { return nullptr; }

  // Folders. The root is its own parent; a folder that was removed has none.
  virtual Inode* parent() { return nullptr; }
  virtual Inode* find(std::string_view /*name*/) { return nullptr; }
  // The first child at or after `cookie`; those of "." and ".." are 0 and 1. False: there are no more.
  virtual bool child(std::uint64_t /*cookie*/, Entry& /*entry*/) const { return false; }

  virtual Io<std::size_t> read(std::span<std::byte> /*into*/, std::uint64_t /*offset*/) {
    return io_error(Errno::isdir);
  }
  virtual std::string_view link_target() const { return {}; }
};

inline constexpr std::uint64_t first_child_cookie = 2;

}  // namespace canopy::guest
