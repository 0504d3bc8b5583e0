#include "guest/scratch.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace canopy::guest {
namespace {

// What a node and a name really take, rounded up: the node, two map entries, and their malloc overhead.
constexpr std::uint64_t node_cost = 512;
constexpr std::uint64_t name_cost = 192;
constexpr std::uint64_t slot_cost = sizeof(void*);

std::uint64_t cost_of_name(std::string_view name) { return name_cost + name.size(); }

std::size_t blocks_for(std::uint64_t size) {
  return static_cast<std::size_t>((size + ScratchNode::block_bytes - 1) / ScratchNode::block_bytes);
}

}  // namespace

ScratchNode::ScratchNode(Scratch& scratch, Filetype type, std::uint64_t id)
    : scratch_(scratch), type_(type), id_(id) {}

Stat ScratchNode::stat() const {
  return {.device = 2,
          .inode = id_,
          .type = type_,
          .links = names_,
          .size = is_link() ? target_.size() : size_,
          .accessed = accessed_,
          .modified = modified_,
          .changed = changed_};
}

void ScratchNode::set_times(const Times& times) {
  changed_ = scratch_.now();
  if (times.accessed) accessed_ = *times.accessed;
  if (times.modified) modified_ = *times.modified;
}

Inode* ScratchNode::find(std::string_view name) {
  const auto found = children_.find(name);
  return found == children_.end() ? nullptr : found->second.node;
}

bool ScratchNode::child(std::uint64_t cookie, Entry& entry) const {
  const auto found = by_cookie_.lower_bound(cookie);
  if (found == by_cookie_.end()) return false;
  const auto& [name, child] = *found->second;
  entry = {.next = found->first + 1, .inode = child.node->id_, .type = child.node->type_, .name = name};
  return true;
}

bool ScratchNode::add(std::string_view name, ScratchNode& node) {
  if (!scratch_.charge(cost_of_name(name))) return false;
  const auto at = children_.emplace(std::string(name), Child{&node, next_cookie_}).first;
  by_cookie_.emplace(next_cookie_++, at);
  ++node.names_;
  if (node.is_folder()) node.parent_ = this;
  touch();
  node.changed_ = changed_;
  return true;
}

void ScratchNode::remove(std::string_view name) {
  const auto found = children_.find(name);
  if (found == children_.end()) return;
  ScratchNode& node = *found->second.node;
  scratch_.give_back(cost_of_name(found->first));
  by_cookie_.erase(found->second.cookie);
  children_.erase(found);
  touch();
  node.changed_ = changed_;
  if (node.is_folder()) node.parent_ = nullptr;
  if (--node.names_ == 0 && node.holds_ == 0) scratch_.destroy(node);
}

bool ScratchNode::move_here(std::string_view to, ScratchNode& folder, std::string_view from) {
  const auto source = folder.children_.find(from);
  if (source == folder.children_.end()) return true;
  ScratchNode& node = *source->second.node;
  if (!scratch_.charge(cost_of_name(to))) return false;
  scratch_.give_back(cost_of_name(to));  // Charged again by add(), which can no longer fail.
  node.hold();
  folder.remove(from);
  remove(to);
  add(to, node);
  node.let_go();
  return true;
}

Io<std::size_t> ScratchNode::read(std::span<std::byte> into, std::uint64_t offset) {
  if (type_ != Filetype::regular_file) return io_error(Errno::isdir);
  if (offset >= size_) return std::size_t{0};
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
  for (std::size_t done = 0; done < size;) {
    const auto index = static_cast<std::size_t>((offset + done) / block_bytes);
    const auto start = static_cast<std::size_t>((offset + done) % block_bytes);
    const std::size_t piece = std::min(size - done, block_bytes - start);
    if (const Block* const from = blocks_[index].get()) {
      std::memcpy(into.data() + done, from->data() + start, piece);
    } else {
      std::memset(into.data() + done, 0, piece);
    }
    done += piece;
  }
  return size;
}

Io<std::size_t> ScratchNode::write(std::span<const std::byte> from, std::uint64_t offset) {
  if (type_ != Filetype::regular_file) return io_error(Errno::isdir);
  if (from.empty()) return std::size_t{0};
  if (offset >= scratch_.bytes_max_) return io_error(Errno::fbig);
  const std::size_t wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(from.size(), scratch_.bytes_max_ - offset));
  std::size_t done = 0;
  while (done < wanted) {
    const auto index = static_cast<std::size_t>((offset + done) / block_bytes);
    const auto start = static_cast<std::size_t>((offset + done) % block_bytes);
    const std::size_t piece = std::min(wanted - done, block_bytes - start);
    Block* const into = reserve(index + 1) ? block(index) : nullptr;
    if (into == nullptr) break;
    std::memcpy(into->data() + start, from.data() + done, piece);
    done += piece;
  }
  if (done == 0) return io_error(Errno::nospc);
  size_ = std::max(size_, offset + done);
  touch();
  return done;
}

Io<void> ScratchNode::resize(std::uint64_t size) {
  if (type_ != Filetype::regular_file) return io_error(Errno::isdir);
  if (size > scratch_.bytes_max_) return io_error(Errno::fbig);
  const std::size_t count = blocks_for(size);
  if (size > size_) {
    if (!reserve(count)) return io_error(Errno::nospc);
  } else if (count < blocks_.size()) {
    for (std::size_t i = count; i < blocks_.size(); ++i) {
      if (!blocks_[i]) continue;
      --block_count_;
      scratch_.give_back(block_bytes);
    }
    scratch_.give_back((blocks_.size() - count) * slot_cost);
    blocks_.resize(count);
    blocks_.shrink_to_fit();
  }
  // What is cut off must read as zeros if the file grows again.
  if (size < size_ && size % block_bytes != 0 && blocks_[count - 1]) {
    const auto keep = static_cast<std::size_t>(size % block_bytes);
    std::memset(blocks_[count - 1]->data() + keep, 0, block_bytes - keep);
  }
  size_ = size;
  touch();
  return {};
}

Io<void> ScratchNode::allocate(std::uint64_t offset, std::uint64_t size) {
  if (type_ != Filetype::regular_file) return io_error(Errno::isdir);
  if (size == 0) return io_error(Errno::inval);
  if (offset > scratch_.bytes_max_ || size > scratch_.bytes_max_ - offset) return io_error(Errno::fbig);
  const std::uint64_t end = offset + size;
  if (!reserve(blocks_for(end))) return io_error(Errno::nospc);
  for (std::size_t i = static_cast<std::size_t>(offset / block_bytes); i < blocks_for(end); ++i) {
    if (block(i) == nullptr) return io_error(Errno::nospc);
  }
  size_ = std::max(size_, end);
  touch();
  return {};
}

bool ScratchNode::set_link_target(std::string_view target) {
  if (!scratch_.charge(target.size())) return false;
  target_ = target;
  return true;
}

void ScratchNode::let_go() {
  if (--holds_ == 0 && names_ == 0) scratch_.destroy(*this);
}

// Room in the table for so many blocks, which are holes until written.
bool ScratchNode::reserve(std::size_t block_count) {
  if (block_count <= blocks_.size()) return true;
  if (!scratch_.charge((block_count - blocks_.size()) * slot_cost)) return false;
  blocks_.resize(block_count);
  return true;
}

ScratchNode::Block* ScratchNode::block(std::size_t index) {
  auto& found = blocks_[index];
  if (!found) {
    if (!scratch_.charge(block_bytes)) return nullptr;
    found = std::make_unique<Block>();  // Zeros.
    ++block_count_;
  }
  return found.get();
}

void ScratchNode::touch() { modified_ = changed_ = scratch_.now(); }

std::uint64_t ScratchNode::cost() const {
  return node_cost + block_count_ * block_bytes + blocks_.size() * slot_cost + target_.size();
}

Scratch::Scratch(std::uint64_t bytes_max, const Stat& root_stat, Inode& above, const Clock& clock)
    : bytes_max_(bytes_max), clock_(clock) {
  root_ = new ScratchNode(*this, Filetype::directory, root_stat.inode);
  newest_ = root_;
  root_->names_ = 1;
  root_->parent_ = &above;
  root_->accessed_ = root_stat.accessed;
  root_->modified_ = root_stat.modified;
  root_->changed_ = root_stat.changed;
}

Scratch::~Scratch() {
  // One after the other, not from folder to child: a guest may nest folders as deep as its space allows.
  while (newest_ != nullptr) delete std::exchange(newest_, newest_->older_);
}

ScratchNode* Scratch::make(Filetype type) {
  if (!charge(node_cost)) return nullptr;
  auto* const node = new ScratchNode(*this, type, next_id_++);
  node->accessed_ = node->modified_ = node->changed_ = now();
  node->older_ = newest_;
  newest_->newer_ = node;
  newest_ = node;
  return node;
}

void Scratch::drop_unnamed(ScratchNode& node) {
  if (node.names_ == 0 && node.holds_ == 0) destroy(node);
}

void Scratch::destroy(ScratchNode& node) {
  give_back(node.cost());
  (node.newer_ == nullptr ? newest_ : node.newer_->older_) = node.older_;
  if (node.older_ != nullptr) node.older_->newer_ = node.newer_;
  delete &node;
}

bool Scratch::charge(std::uint64_t bytes) {
  changed_ = true;
  if (bytes > bytes_max_ - used_bytes_) return false;
  used_bytes_ += bytes;
  return true;
}

std::uint64_t Scratch::now() {
  changed_ = true;
  const auto since = std::chrono::floor<std::chrono::microseconds>(clock_.wall_now().time_since_epoch());
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(since).count());
}

}  // namespace canopy::guest
