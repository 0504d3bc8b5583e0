#pragma once
// What the body of one request takes of the room that all have together.
//
// Threads: one at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/error.h"
#include "net/http_server.h"

namespace canopy::net {

class BodyShare {
 public:
  // The first `free_bytes` are not counted.
  explicit BodyShare(std::shared_ptr<BodyRoom> room, std::size_t free_bytes = free_body_bytes)
      : room_(std::move(room)), free_bytes_(free_bytes) {}
  ~BodyShare() { give_back(); }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  // The body has `bytes` now. The error where there is no room for it: unavailable.
  std::optional<Error> grow_to(std::size_t bytes) {
    if (bytes <= counted_bytes_ || !room_) return std::nullopt;
    const std::uint64_t more = bytes - counted_bytes_;
    if (room_->bytes.fetch_add(more, std::memory_order_relaxed) + more > room_->bytes_max) {
      room_->bytes.fetch_sub(more, std::memory_order_relaxed);
      return Error{Code::unavailable, "the bodies of all requests together take more than the " +
                                          size_text(room_->bytes_max) +
                                          " there are for them; try again shortly"};
    }
    counted_bytes_ = bytes;
    return std::nullopt;
  }
  void give_back() {
    if (counted_bytes_ == free_bytes_) return;
    room_->bytes.fetch_sub(counted_bytes_ - free_bytes_, std::memory_order_relaxed);
    counted_bytes_ = free_bytes_;
  }

 private:
  const std::shared_ptr<BodyRoom> room_;
  const std::size_t free_bytes_;
  std::size_t counted_bytes_ = free_bytes_;  // What is beyond the free ones is in the room.
};

}  // namespace canopy::net
