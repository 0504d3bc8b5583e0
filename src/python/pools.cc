#include "python/pools.h"

#include <string>

namespace canopy::python {

Result<void> Pools::make_room() {
  std::erase_if(pools_, [](const std::weak_ptr<ProcessPool>& weak) {
    const auto pool = weak.lock();
    return pool == nullptr || pool->zygote().error().has_value();
  });
  if (pools_.size() < options_.count_max) return {};
  std::shared_ptr<ProcessPool> oldest;
  for (const auto& weak : pools_) {
    const auto pool = weak.lock();
    if (pool == nullptr || pool->busy_count() > 0 || !pool->zygote().is_ready()) continue;
    if (oldest == nullptr || pool->used() < oldest->used()) oldest = pool;
  }
  if (oldest == nullptr) {
    return fail(Code::unavailable,
                "all " + std::to_string(options_.count_max) +
                    " warmed processes of Python functions on this core are busy; try again, or raise "
                    "'python-warm'",
                Stage::start);
  }
  oldest->end({Code::unavailable, "its place was needed for another function; try again", Stage::none});
  return {};
}

void Pools::settle() {
  std::size_t idle_count = 0;
  auto pool = find_idle(idle_count);
  for (; pool != nullptr && idle_count > options_.idle_max; pool = find_idle(idle_count)) {
    pool->end_longest_idle();
  }
  if (pool != nullptr && !wakes_) wake_for(*pool);
}

void Pools::take() {
  wakes_ = false;
  const Time now = core_.clock().now();
  std::size_t idle_count = 0;
  auto pool = find_idle(idle_count);
  for (; pool != nullptr && pool->idle_since() + options_.idle_time_max <= now;
       pool = find_idle(idle_count)) {
    pool->end_longest_idle();
  }
  if (pool != nullptr) wake_for(*pool);
}

std::shared_ptr<ProcessPool> Pools::find_idle(std::size_t& idle_count) const {
  std::shared_ptr<ProcessPool> longest;
  idle_count = 0;
  for (const auto& weak : pools_) {
    const auto pool = weak.lock();
    if (pool == nullptr || pool->idle_count() == 0) continue;
    idle_count += pool->idle_count();
    if (longest == nullptr || pool->idle_since() < longest->idle_since()) longest = pool;
  }
  return longest;
}

void Pools::wake_for(const ProcessPool& pool) {
  wakes_ = true;
  core_.suspend(*this, pool.idle_since() + options_.idle_time_max, never);
}

}  // namespace canopy::python
