#include "worker/colleague.h"

#include <algorithm>

namespace canopy::worker {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

// One less, where there is one.
bool take_one(std::atomic<std::uint32_t>& count) {
  std::uint32_t seen = count.load(relaxed);
  while (seen > 0 && !count.compare_exchange_weak(seen, seen - 1, relaxed)) {
  }
  return seen > 0;
}

}  // namespace

bool Colleague::has_runtime(const std::string& runtime) const {
  return runtimes.empty() || std::ranges::find(runtimes, runtime) != runtimes.end();
}

std::uint32_t Colleague::slots() const { return static_cast<std::uint32_t>(offered.load(relaxed)); }

bool Colleague::set_slots(std::uint32_t count, std::uint32_t news_number) {
  const std::uint64_t now = (static_cast<std::uint64_t>(news_number) << 32U) | count;
  std::uint64_t seen = offered.load(relaxed);
  do {
    if (seen >> 32U > news_number) return false;
  } while (!offered.compare_exchange_weak(seen, now, relaxed));
  std::uint32_t asked = asked_count.load(relaxed);
  while (asked > count && !asked_count.compare_exchange_weak(asked, count, relaxed)) {
  }
  return true;
}

std::uint32_t Colleague::room(policy::Dispatch way) const {
  if (way == policy::Dispatch::pull) return asked_count.load(relaxed);
  const std::uint32_t all = slots();
  return all - std::min(running_count.load(relaxed), all);
}

bool Colleague::take_place(policy::Dispatch way, Time now) {
  if (!joined) {
    running_count.fetch_add(1, relaxed);
    return true;
  }
  const std::uint32_t all = slots();
  std::uint32_t running = running_count.load(relaxed);
  while (running < all && !running_count.compare_exchange_weak(running, running + 1, relaxed)) {
  }
  if (running >= all) return false;
  if (!take_one(asked_count) && way == policy::Dispatch::pull) {
    give_place();
    return false;
  }
  asked_since.store(now.time_since_epoch().count(), relaxed);
  return true;
}

void Colleague::give_back(Time now) {
  give_place();
  if (joined) ask(1, now);
}

void Colleague::ask(std::uint64_t count, Time now) {
  const std::uint32_t all = slots();
  std::uint32_t asked = asked_count.load(relaxed);
  std::uint32_t sum = 0;
  do {
    sum =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(asked + std::min<std::uint64_t>(count, all), all));
  } while (!asked_count.compare_exchange_weak(asked, sum, relaxed));
  if (asked == 0) asked_since.store(now.time_since_epoch().count(), relaxed);
}

}  // namespace canopy::worker
