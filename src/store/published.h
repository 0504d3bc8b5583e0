#pragma once
// The functions as everybody sees them: one immutable snapshot, swapped whole.
//
// Threads: version() and snapshot() from any; change() from one at a time.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "store/catalog.h"

namespace canopy::store {

class Published {
 public:
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  std::shared_ptr<const Snapshot> snapshot() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }

  // For the start: all at once, without counting as a change.
  void start(Snapshot snapshot);
  // All at once, as a change.
  void replace(Snapshot snapshot);
  // `function` is now the current one of its name.
  void put(const std::shared_ptr<const Function>& function);
  void remove(const FunctionName& name);

 private:
  void swap(std::shared_ptr<const Snapshot> snapshot);

  // Held for the copy of one pointer. (std::atomic<std::shared_ptr> of libstdc++ 12 is a lock too, and one
  // that ThreadSanitizer does not understand.)
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
  std::atomic<std::uint64_t> version_ = 1;
};

}  // namespace canopy::store
