#include "net/input_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace canopy::net {

void InputBuffer::consume(std::size_t size) {
  CANOPY_CHECK(size <= end_ - begin_);
  begin_ += size;
}

std::span<char> InputBuffer::room(std::size_t first, std::size_t capacity_max) {
  const auto unread_size = end_ - begin_;
  if (unread_size == 0) begin_ = end_ = 0;
  if (unread_size >= capacity_max) return {};
  if (capacity_ == 0 || unread_size * 2 > capacity_) {
    if (end_ == capacity_) move_to(std::min(std::max(first, capacity_ * 2), capacity_max));
  } else if (capacity_ - end_ < capacity_ / 2) {
    std::memmove(data_.get(), data_.get() + begin_, unread_size);
    begin_ = 0;
    end_ = unread_size;
  }
  return {data_.get() + end_, capacity_ - end_};
}

std::unique_ptr<char[]> InputBuffer::split() {
  auto old = std::move(data_);
  const auto rest = std::string_view(old.get() + begin_, end_ - begin_);
  capacity_ = begin_ = end_ = 0;
  if (!rest.empty()) {
    capacity_ = rest.size();
    data_ = std::make_unique_for_overwrite<char[]>(capacity_);
    std::memcpy(data_.get(), rest.data(), rest.size());
    end_ = rest.size();
  }
  return old;
}

void InputBuffer::shrink(std::size_t keep) {
  if (begin_ != end_ || capacity_ <= keep) return;
  data_.reset();
  capacity_ = begin_ = end_ = 0;
}

void InputBuffer::move_to(std::size_t capacity) {
  auto fresh = std::make_unique_for_overwrite<char[]>(capacity);
  const auto unread_size = end_ - begin_;
  if (unread_size != 0) std::memcpy(fresh.get(), data_.get() + begin_, unread_size);
  data_ = std::move(fresh);
  capacity_ = capacity;
  begin_ = 0;
  end_ = unread_size;
}

}  // namespace canopy::net
