#include "api/places.h"

#include <algorithm>

#include "policy/admit.h"

namespace canopy::api {

Places::Places(std::size_t core_count, std::uint32_t count)
    : core_count_(core_count),
      kept_(std::make_unique<Kept[]>(core_count)),
      free_(count),
      count_(count),
      at_once_(policy::places_at_once(count, core_count)) {}

bool Places::take_one(std::atomic<std::int64_t>& from) {
  std::int64_t there = from.load(std::memory_order_relaxed);
  while (there > 0) {
    if (from.compare_exchange_weak(there, there - 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

std::int64_t Places::take_some() {
  const std::int64_t wanted = at_once_.load(std::memory_order_relaxed);
  std::int64_t there = free_.load(std::memory_order_relaxed);
  while (there > 0) {
    const std::int64_t some = std::min(there, wanted);
    if (free_.compare_exchange_weak(there, there - some, std::memory_order_relaxed)) return some;
  }
  return 0;
}

bool Places::take(std::size_t core) {
  if (take_one(kept_[core].count)) return true;
  if (const std::int64_t some = take_some(); some > 0) {
    if (some > 1) kept_[core].count.fetch_add(some - 1, std::memory_order_relaxed);
    return true;
  }
  for (std::size_t i = 1; i < core_count_; ++i) {
    if (take_one(kept_[(core + i) % core_count_].count)) return true;
  }
  return false;
}

void Places::give(std::size_t core) {
  const std::int64_t at_once = at_once_.load(std::memory_order_relaxed);
  const std::int64_t kept = kept_[core].count.fetch_add(1, std::memory_order_relaxed) + 1;
  if (kept <= 2 * at_once && free_.load(std::memory_order_relaxed) >= 0) return;
  free_.fetch_add(kept_[core].count.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
}

void Places::resize(std::uint32_t count) {
  if (count == this->count()) return;
  const std::lock_guard lock(resizing_);
  const std::int64_t more = std::int64_t{count} - count_.exchange(count, std::memory_order_relaxed);
  at_once_.store(policy::places_at_once(count, core_count_), std::memory_order_relaxed);
  // What cores keep counts too, or a smaller number would not be felt.
  std::int64_t back = more;
  for (std::size_t i = 0; i < core_count_; ++i) back += kept_[i].count.exchange(0, std::memory_order_relaxed);
  free_.fetch_add(back, std::memory_order_relaxed);
}

std::uint64_t Places::taken() const {
  std::int64_t left = free_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < core_count_; ++i) left += kept_[i].count.load(std::memory_order_relaxed);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(std::int64_t{count()} - left, 0));
}

std::shared_ptr<Places> PlacesByName::get(const Function& function) {
  const std::lock_guard lock(mutex_);
  auto& known = places_[function.name];
  if (const auto places = known.lock()) {
    places->resize(function.limits.concurrency);
    return places;
  }
  const auto places = std::make_shared<Places>(core_count_, function.limits.concurrency);
  known = places;
  std::erase_if(places_, [](const auto& entry) { return entry.second.expired(); });
  return places;
}

}  // namespace canopy::api
