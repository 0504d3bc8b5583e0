#include "guest/tree.h"

#include <utility>

namespace canopy::guest {
namespace {

// The next name of `rest`, which begins with none of its slashes; `rest` keeps what follows, slash first.
std::string_view take_name(std::string_view& rest) {
  const std::string_view name = rest.substr(0, rest.find('/'));
  rest.remove_prefix(name.size());
  return name;
}

void skip_slashes(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
}

}  // namespace

// A node of the tree that is open.
class TreeNode final : public Node {
 public:
  TreeNode(Tree& tree, Inode& inode) : tree_(tree), inode_(inode) {
    if (auto* const scratch = inode_.writable()) scratch->hold();
  }
  ~TreeNode() override {
    if (auto* const scratch = inode_.writable()) scratch->let_go();
  }
  TreeNode(const TreeNode&) = delete;
  TreeNode& operator=(const TreeNode&) = delete;

  Filetype type() const override { return inode_.type(); }
  Io<Stat> stat() override { return inode_.stat(); }

  Io<void> set_times(const Times& times) override { return set_times_of(inode_, times); }

  Io<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) override {
    return inode_.read(into, offset);
  }
  Io<std::size_t> write(std::span<const std::byte> from, std::uint64_t offset) override {
    if (auto* const scratch = inode_.writable()) return scratch->write(from, offset);
    return io_error(inode_.is_folder() ? Errno::isdir : Errno::rofs);
  }
  Io<void> resize(std::uint64_t size) override {
    if (auto* const scratch = inode_.writable()) return scratch->resize(size);
    return io_error(inode_.is_folder() ? Errno::isdir : Errno::rofs);
  }
  Io<void> allocate(std::uint64_t offset, std::uint64_t size) override {
    if (auto* const scratch = inode_.writable()) return scratch->allocate(offset, size);
    return io_error(inode_.is_folder() ? Errno::isdir : Errno::rofs);
  }

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
  static Io<void> set_times_of(Inode& inode, const Times& times) {
    auto* const scratch = inode.writable();
    if (scratch == nullptr) return io_error(Errno::rofs);
    scratch->set_times(times);
    return {};
  }

  Tree& tree_;
  Inode& inode_;
};

Tree::Tree(std::shared_ptr<const FileImage> image, std::uint64_t tmp_bytes_max, const Clock& clock)
    : image_(std::move(image)), scratch_(tmp_bytes_max, image_->tmp().stat(), image_->root(), clock) {}

std::unique_ptr<Node> Tree::open_root() { return std::make_unique<TreeNode>(*this, image_->root()); }

Inode* Tree::child(Inode& folder, std::string_view name) {
  Inode* const found = folder.find(name);
  return found == &image_->tmp() ? &scratch_.root() : found;
}

Inode* Tree::above(Inode& folder) { return folder.parent(); }

Io<Tree::Place> Tree::walk(Inode& from, std::string_view path, bool follow) {
  if (path.empty()) return io_error(Errno::noent);
  if (path.size() > path_size_max) return io_error(Errno::nametoolong);
  if (path.front() == '/') return io_error(Errno::notcapable);
  const bool from_root = &from == &image_->root();
  Inode* at = &from;
  std::string expanded;  // The path that is left, once a link was followed.
  std::string_view rest = path;
  int links = 0;
  while (true) {
    skip_slashes(rest);
    if (!at->is_folder()) return io_error(Errno::notdir);
    if (rest.empty()) return Place{.folder = at, .node = at, .last = ".", .slash = true};
    const std::string_view name = take_name(rest);
    if (name.size() > name_size_max) return io_error(Errno::nametoolong);
    if (name == ".") continue;
    if (name == "..") {
      if (at == &from && !from_root) return io_error(Errno::notcapable);
      at = above(*at);
      if (at == nullptr) return io_error(Errno::noent);
      continue;
    }
    std::string_view after = rest;
    skip_slashes(after);
    const bool is_last = after.empty();
    const bool slash = is_last && !rest.empty();
    Inode* const found = child(*at, name);
    if (found != nullptr && found->is_link() && (!is_last || follow || slash)) {
      if (++links > links_followed_max) return io_error(Errno::loop);
      const std::string_view target = found->link_target();
      if (target.starts_with('/')) {
        if (!from_root) return io_error(Errno::notcapable);
        at = &from;
      }
      if (target.size() + rest.size() > 2 * path_size_max) return io_error(Errno::nametoolong);
      std::string joined(target);
      joined += rest;
      expanded = std::move(joined);
      rest = expanded;
      continue;
    }
    if (is_last) {
      if (slash && found != nullptr && !found->is_folder()) return io_error(Errno::notdir);
      return Place{.folder = at, .node = found, .last = std::string(name), .slash = slash};
    }
    if (found == nullptr) return io_error(Errno::noent);
    at = found;
  }
}

Io<Inode*> Tree::find(Inode& from, std::string_view path, bool follow) {
  const auto place = walk(from, path, follow);
  if (!place) return io_error(place.error());
  if (place->node == nullptr) return io_error(Errno::noent);
  return place->node;
}

// Makes what is missing at `place`.
Io<Inode*> Tree::create(const Place& place, Filetype type, std::string_view target) {
  auto* const folder = place.folder->writable();
  if (folder == nullptr) return io_error(Errno::rofs);
  if (folder->parent() == nullptr) return io_error(Errno::noent);  // It was removed while open.
  ScratchNode* const node = scratch_.make(type);
  if (node == nullptr) return io_error(Errno::nospc);
  if (!node->set_link_target(target) || !folder->add(place.last, *node)) {
    scratch_.drop_unnamed(*node);
    return io_error(Errno::nospc);
  }
  return node;
}

Io<Inode*> Tree::open(Inode& from, const std::string& path, const OpenHow& how) {
  if (how.create && how.folder) return io_error(Errno::inval);
  const auto place = walk(from, path, how.follow && !(how.create && how.exclusive));
  if (!place) return io_error(place.error());
  Inode* const found = place->node;
  if (found == nullptr) {
    if (!how.create) return io_error(Errno::noent);
    if (place->slash) return io_error(Errno::isdir);
    return create(*place, Filetype::regular_file, {});
  }
  if (how.create && how.exclusive) return io_error(Errno::exist);
  if (found->is_link()) return io_error(Errno::loop);
  if (found->is_folder()) {
    const bool would_write = how.create || how.truncate || (how.write && !how.folder);
    return would_write ? Io<Inode*>(io_error(Errno::isdir)) : Io<Inode*>(found);
  }
  if (how.folder) return io_error(Errno::notdir);
  if (!how.write && !how.truncate) return found;
  auto* const scratch = found->writable();
  if (scratch == nullptr) return io_error(Errno::rofs);
  if (how.truncate) {
    if (const auto cut = scratch->resize(0); !cut) return io_error(cut.error());
  }
  return found;
}

Io<void> TreeNode::list(std::uint64_t cookie, const TakeEntry& take) {
  if (!inode_.is_folder()) return io_error(Errno::notdir);
  if (cookie == 0) {
    const Entry self{.next = 1, .inode = inode_.stat().inode, .type = Filetype::directory, .name = "."};
    if (!take(self)) return {};
    cookie = 1;
  }
  if (cookie == 1) {
    Inode* const up = tree_.above(inode_);
    const std::uint64_t inode = up == nullptr ? inode_.stat().inode : up->stat().inode;
    const Entry parent{.next = first_child_cookie, .inode = inode, .type = Filetype::directory, .name = ".."};
    if (!take(parent)) return {};
    cookie = first_child_cookie;
  }
  Entry entry;
  while (inode_.child(cookie, entry)) {
    if (!take(entry)) return {};
    cookie = entry.next;
  }
  return {};
}

Io<std::unique_ptr<Node>> TreeNode::open(const std::string& path, const OpenHow& how) {
  const auto found = tree_.open(inode_, path, how);
  if (!found) return io_error(found.error());
  return std::make_unique<TreeNode>(tree_, **found);
}

Io<Stat> TreeNode::stat_at(const std::string& path, bool follow) {
  const auto found = tree_.find(inode_, path, follow);
  if (!found) return io_error(found.error());
  return (*found)->stat();
}

Io<void> TreeNode::set_times_at(const std::string& path, bool follow, const Times& times) {
  const auto found = tree_.find(inode_, path, follow);
  if (!found) return io_error(found.error());
  return set_times_of(**found, times);
}

Io<void> TreeNode::create_folder(const std::string& path) {
  const auto place = tree_.walk(inode_, path, false);
  if (!place) return io_error(place.error());
  if (place->node != nullptr) return io_error(Errno::exist);
  const auto made = tree_.create(*place, Filetype::directory, {});
  if (!made) return io_error(made.error());
  return {};
}

Io<void> TreeNode::remove_folder(const std::string& path) {
  const auto place = tree_.walk(inode_, path, false);
  if (!place) return io_error(place.error());
  if (place->node == nullptr) return io_error(Errno::noent);
  if (!place->node->is_folder()) return io_error(Errno::notdir);
  if (place->last == ".") return io_error(Errno::inval);
  auto* const folder = place->folder->writable();
  auto* const node = place->node->writable();
  if (folder == nullptr || node == nullptr) return io_error(Errno::rofs);
  if (!node->is_empty()) return io_error(Errno::notempty);
  folder->remove(place->last);
  return {};
}

Io<void> TreeNode::unlink(const std::string& path) {
  const auto place = tree_.walk(inode_, path, false);
  if (!place) return io_error(place.error());
  if (place->node == nullptr) return io_error(Errno::noent);
  if (place->node->is_folder()) return io_error(Errno::isdir);
  auto* const folder = place->folder->writable();
  if (folder == nullptr) return io_error(Errno::rofs);
  folder->remove(place->last);
  return {};
}

Io<void> TreeNode::symlink(const std::string& target, const std::string& path) {
  if (target.empty()) return io_error(Errno::noent);
  const auto place = tree_.walk(inode_, path, false);
  if (!place) return io_error(place.error());
  if (place->node != nullptr) return io_error(Errno::exist);
  if (place->slash) return io_error(Errno::noent);
  const auto made = tree_.create(*place, Filetype::symbolic_link, target);
  if (!made) return io_error(made.error());
  return {};
}

Io<std::string> TreeNode::read_link(const std::string& path) {
  const auto found = tree_.find(inode_, path, false);
  if (!found) return io_error(found.error());
  if (!(*found)->is_link()) return io_error(Errno::inval);
  return std::string((*found)->link_target());
}

Io<void> TreeNode::link(const std::string& path, bool follow, Node& to, const std::string& to_path) {
  auto* const other = dynamic_cast<TreeNode*>(&to);
  if (other == nullptr || &other->tree_ != &tree_) return io_error(Errno::xdev);
  const auto found = tree_.find(inode_, path, follow);
  if (!found) return io_error(found.error());
  const auto place = tree_.walk(other->inode_, to_path, false);
  if (!place) return io_error(place.error());
  if (place->node != nullptr) return io_error(Errno::exist);
  if ((*found)->is_folder()) return io_error(Errno::perm);
  if (place->slash) return io_error(Errno::noent);
  auto* const folder = place->folder->writable();
  if (folder == nullptr) return io_error(Errno::rofs);
  auto* const node = (*found)->writable();
  if (node == nullptr) return io_error(Errno::xdev);
  if (folder->parent() == nullptr) return io_error(Errno::noent);
  if (!folder->add(place->last, *node)) return io_error(Errno::nospc);
  return {};
}

Io<void> TreeNode::rename(const std::string& path, Node& to, const std::string& to_path) {
  auto* const other = dynamic_cast<TreeNode*>(&to);
  if (other == nullptr || &other->tree_ != &tree_) return io_error(Errno::xdev);
  const auto from = tree_.walk(inode_, path, false);
  if (!from) return io_error(from.error());
  const auto into = tree_.walk(other->inode_, to_path, false);
  if (!into) return io_error(into.error());
  if (from->node == nullptr) return io_error(Errno::noent);
  if (from->last == "." || into->last == ".") return io_error(Errno::busy);
  const bool moves_folder = from->node->is_folder();
  if (into->slash && !moves_folder) return io_error(Errno::notdir);
  auto* const old_folder = from->folder->writable();
  auto* const new_folder = into->folder->writable();
  if (new_folder == nullptr) return io_error(Errno::rofs);
  if (old_folder == nullptr) return io_error(from->node->writable() != nullptr ? Errno::busy : Errno::xdev);
  if (into->node == from->node) return {};
  if (new_folder->parent() == nullptr) return io_error(Errno::noent);
  for (Inode* up = new_folder; moves_folder && up != nullptr && up->writable() != nullptr;
       up = up->parent()) {
    if (up == from->node) return io_error(Errno::inval);
  }
  if (into->node != nullptr) {
    if (into->node->is_folder() && !moves_folder) return io_error(Errno::isdir);
    if (!into->node->is_folder() && moves_folder) return io_error(Errno::notdir);
    auto* const there = into->node->writable();
    if (there != nullptr && !there->is_empty()) return io_error(Errno::notempty);
  }
  if (!new_folder->move_here(into->last, *old_folder, from->last)) return io_error(Errno::nospc);
  return {};
}

}  // namespace canopy::guest
