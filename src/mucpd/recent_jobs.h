#pragma once
// How far the latest jobs have come, so that a client that asks again and again is answered without the disk.
// What is not known here the log knows.
//
// Threads: any.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/id.h"

namespace canopy::mucpd {

enum class Progress : std::uint8_t {
  waiting,  // Or running.
  ended,
  gone,  // Removed, and so there is no such job.
};

class RecentJobs {
 public:
  explicit RecentJobs(std::size_t count_max) : count_max_(count_max) {}

  // A job may be known to have ended before it is known to have begun, but never goes back.
  void note(CallId id, Progress progress) {
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = jobs_.try_emplace(id, progress);
    if (!is_new) {
      if (progress > at->second) at->second = progress;
      return;
    }
    order_.push_back(id);
    if (order_.size() <= count_max_) return;
    jobs_.erase(order_.front());
    order_.pop_front();
  }

  std::optional<Progress> find(CallId id) const {
    const std::lock_guard lock(mutex_);
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return std::nullopt;
    return at->second;
  }

 private:
  const std::size_t count_max_;
  mutable std::mutex mutex_;
  std::unordered_map<CallId, Progress> jobs_;  // Guarded by mutex_, as is the next.
  std::deque<CallId> order_;
};

}  // namespace canopy::mucpd
