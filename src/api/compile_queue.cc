#include "api/compile_queue.h"

#include "base/check.h"

namespace canopy::api {

bool CompileQueue::post(const std::string& space, std::function<void()> work) {
  const Flow flow = std::hash<std::string>()(owner_of_(space));
  const std::lock_guard lock(mutex_);
  auto& own = waiting_[flow];
  // Whichever thread of the pool is free takes what is next then, not this.
  if (own.size() >= waiting_per_owner_max || !pool_.post([this] { run_next(); })) {
    if (own.empty()) waiting_.erase(flow);
    return false;
  }
  if (own.empty()) turns_.add(flow);
  own.push_back(std::move(work));
  return true;
}

void CompileQueue::run_next() {
  std::function<void()> work;
  {
    const std::lock_guard lock(mutex_);
    const auto flow = turns_.next([](Flow) { return true; });
    CANOPY_CHECK(flow.has_value());
    const auto own = waiting_.find(*flow);
    work = std::move(own->second.front());
    own->second.pop_front();
    turns_.charge(*flow);
    if (own->second.empty()) {
      turns_.remove(*flow);
      waiting_.erase(own);
    }
  }
  work();
}

}  // namespace canopy::api
