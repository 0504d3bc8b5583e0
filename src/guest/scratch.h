#pragma once
// A call's own /tmp: files, folders and links in memory that nobody else sees, gone with the call.
//
// Everything counts towards its size, as it costs memory: each file, folder and link with its name, and
// content by blocks of 4 KiB, of which holes need none. So neither one huge file nor a million empty ones
// get past the limit.
//
// Threads: belongs to its call. Life: nodes belong to their Scratch, until the last name and the last open
// descriptor are gone.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "guest/inode.h"

namespace canopy::guest {

class Scratch;

class ScratchNode final : public Inode {
 public:
  static constexpr std::size_t block_bytes = 4096;

  ScratchNode(Scratch& scratch, Filetype type, std::uint64_t id);

  Filetype type() const override { return type_; }
  Stat stat() const override;
  ScratchNode* writable() override { return this; }
  void set_times(const Times& times);

  Inode* parent() override { return parent_; }
  Inode* find(std::string_view name) override;
  bool child(std::uint64_t cookie, Entry& entry) const override;
  bool is_empty() const { return children_.empty(); }

  // Gives `node` a name here. False: no space. The name is free, and of a permitted size.
  bool add(std::string_view name, ScratchNode& node);
  // Takes the name away; its node goes when nothing holds it any more.
  void remove(std::string_view name);
  // Moves the name `from` of `folder` here as `to`, in place of what is there. False: no space.
  bool move_here(std::string_view to, ScratchNode& folder, std::string_view from);

  Io<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) override;
  Io<std::size_t> write(std::span<const std::byte> from, std::uint64_t offset);
  Io<void> resize(std::uint64_t size);
  Io<void> allocate(std::uint64_t offset, std::uint64_t size);

  std::string_view link_target() const override { return target_; }
  bool set_link_target(std::string_view target);

  // An open descriptor holds the node.
  void hold() { ++holds_; }
  void let_go();

 private:
  friend class Scratch;
  using Block = std::array<std::byte, block_bytes>;
  struct Child {
    ScratchNode* node = nullptr;
    std::uint64_t cookie = 0;
  };
  using Children = std::map<std::string, Child, std::less<>>;

  bool reserve(std::size_t block_count);
  Block* block(std::size_t index);
  void touch();
  std::uint64_t cost() const;

  Scratch& scratch_;
  const Filetype type_;
  const std::uint64_t id_;
  ScratchNode* older_ = nullptr;  // The list of all nodes.
  ScratchNode* newer_ = nullptr;
  std::uint64_t names_ = 0;
  std::uint64_t holds_ = 0;
  std::uint64_t accessed_ = 0;
  std::uint64_t modified_ = 0;
  std::uint64_t changed_ = 0;

  Inode* parent_ = nullptr;
  Children children_;
  std::map<std::uint64_t, Children::const_iterator> by_cookie_;
  std::uint64_t next_cookie_ = first_child_cookie;

  std::uint64_t size_ = 0;
  std::vector<std::unique_ptr<Block>> blocks_;  // Null: a hole.
  std::uint64_t block_count_ = 0;
  std::string target_;
};

class Scratch {
 public:
  // `root_stat` is what the empty folder looks like; `above` is the folder that has it as a child.
  Scratch(std::uint64_t bytes_max, const Stat& root_stat, Inode& above, const Clock& clock);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  ScratchNode& root() { return *root_; }
  // A node without a name yet, or null where there is no space.
  ScratchNode* make(Filetype type);
  // For a node that got no name after all.
  void drop_unnamed(ScratchNode& node);

  std::uint64_t used_bytes() const { return used_bytes_; }
  // Anything was ever changed in it.
  bool changed() const { return changed_; }

 private:
  friend class ScratchNode;
  bool charge(std::uint64_t bytes);
  void give_back(std::uint64_t bytes) { used_bytes_ -= bytes; }
  std::uint64_t now();
  void destroy(ScratchNode& node);

  const std::uint64_t bytes_max_;
  const Clock& clock_;
  std::uint64_t used_bytes_ = 0;
  bool changed_ = false;
  std::uint64_t next_id_ = std::uint64_t{1} << 32;  // Apart from those of the image.
  ScratchNode* newest_ = nullptr;
  ScratchNode* root_ = nullptr;
};

}  // namespace canopy::guest
