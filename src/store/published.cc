#include "store/published.h"

#include <utility>

namespace canopy::store {

void Published::start(Snapshot snapshot) {
  auto fresh = std::make_shared<const Snapshot>(std::move(snapshot));
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(fresh);
}

void Published::replace(Snapshot snapshot) { swap(std::make_shared<const Snapshot>(std::move(snapshot))); }

void Published::put(const std::shared_ptr<const Function>& function) {
  auto fresh = std::make_shared<Snapshot>(*snapshot());
  fresh->functions[function->name] = function;
  swap(std::move(fresh));
}

void Published::remove(const FunctionName& name) {
  auto fresh = std::make_shared<Snapshot>(*snapshot());
  fresh->functions.erase(name);
  swap(std::move(fresh));
}

void Published::swap(std::shared_ptr<const Snapshot> snapshot) {
  {
    const std::lock_guard lock(mutex_);
    snapshot_.swap(snapshot);
  }
  // After the snapshot: who sees the new number must not find the old functions and keep them for good.
  version_.fetch_add(1, std::memory_order_release);
}  // The old snapshot is freed here, outside the lock, if nobody else has it.

}  // namespace canopy::store
