#pragma once
// The places of a function: how many of its calls may run at once, counted over all cores.
//
// A core takes several places at a time and keeps those that become free, so that cores seldom touch the same
// memory; where no place is left elsewhere, it takes one that another core keeps. So a call is refused only
// when there is none (or the last one is being handed over at this very moment).
//
// Threads: any. take() and give() of one core index at a time from one thread.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "model/function.h"

namespace canopy::api {

class Places {
 public:
  Places(std::size_t core_count, std::uint32_t count);

  bool take(std::size_t core);
  void give(std::size_t core);

  // From now on there are so many. Calls that run keep their places.
  void resize(std::uint32_t count);

  std::uint32_t count() const { return count_.load(std::memory_order_relaxed); }
  std::uint64_t taken() const;  // At about this moment.

 private:
  struct alignas(64) Kept {
    std::atomic<std::int64_t> count = 0;
  };

  static bool take_one(std::atomic<std::int64_t>& from);
  std::int64_t take_some();

  const std::size_t core_count_;
  const std::unique_ptr<Kept[]> kept_;
  std::atomic<std::int64_t> free_;  // Below zero while more calls run than resize() left places.
  std::atomic<std::uint32_t> count_;
  std::atomic<std::int64_t> at_once_;
  std::mutex resizing_;
};

// The places of all functions that are called anywhere, found by name.
class PlacesByName {
 public:
  explicit PlacesByName(std::size_t core_count) : core_count_(core_count) {}

  // The ones of that function, with as many as it may have now.
  std::shared_ptr<Places> get(const Function& function);

 private:
  const std::size_t core_count_;
  std::mutex mutex_;
  std::map<FunctionName, std::weak_ptr<Places>> places_;  // Guarded by mutex_.
};

}  // namespace canopy::api
