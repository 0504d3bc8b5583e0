#pragma once
// Bytes that came in and are not used yet, in one piece of memory. It holds none before the first byte is
// asked for and gives it back when told to, so that an idle connection costs little.

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace canopy::net {

class InputBuffer {
 public:
  std::string_view unread() const { return {data_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  std::size_t capacity() const { return capacity_; }

  void consume(std::size_t size);

  // Free room at the end, at least a byte of it. Moves what is unread to the front, and grows by doubling
  // from `first` bytes, where it has to; at most to `capacity_max`. Empty where that much is unread.
  // Views into unread() end here.
  std::span<char> room(std::size_t first, std::size_t capacity_max);
  void commit(std::size_t size) { end_ += size; }

  // The memory with all that was ever consumed from it; what is unread moves to fresh memory. So views into
  // what was consumed go on living as long as the answer.
  std::unique_ptr<char[]> split();

  // Frees the memory if nothing is unread and it is larger than `keep`.
  void shrink(std::size_t keep);

 private:
  void move_to(std::size_t capacity);

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace canopy::net
