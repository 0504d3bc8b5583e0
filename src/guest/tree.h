#pragma once
// The file system of one call, all in memory: the function's image, read-only, with the call's own /tmp in
// it. Nothing of the machine can be reached through it.
//
// Threads: belongs to its call. Life: outlives the nodes it opened.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "guest/image.h"
#include "guest/scratch.h"
#include "guest/vfs.h"

namespace canopy::guest {

class Tree {
 public:
  Tree(std::shared_ptr<const FileImage> image, std::uint64_t tmp_bytes_max, const Clock& clock);

  std::unique_ptr<Node> open_root();

  // Anything was ever created, written or changed.
  bool changed() const { return scratch_.changed(); }
  std::uint64_t tmp_bytes() const { return scratch_.used_bytes(); }

 private:
  friend class TreeNode;

  // Where a path leads: `folder` has, or may get, the name `last`; `node` is what is there, or null.
  struct Place {
    Inode* folder = nullptr;
    Inode* node = nullptr;
    std::string last;    // "." where the path ends in ".", "..", or is the folder itself.
    bool slash = false;  // The path ends in '/': it means a folder.
  };

  Io<Place> walk(Inode& from, std::string_view path, bool follow);
  // The same for what has to be there.
  Io<Inode*> find(Inode& from, std::string_view path, bool follow);
  Inode* child(Inode& folder, std::string_view name);
  Inode* above(Inode& folder);

  Io<Inode*> open(Inode& from, const std::string& path, const OpenHow& how);
  Io<Inode*> create(const Place& place, Filetype type, std::string_view target);

  std::shared_ptr<const FileImage> image_;
  Scratch scratch_;
};

}  // namespace canopy::guest
