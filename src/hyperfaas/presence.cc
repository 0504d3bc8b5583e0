#include "hyperfaas/presence.h"

namespace canopy::hyperfaas {

void Presence::begin(const FunctionName& function, Time now, const std::function<Duration()>& idle) {
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = present_.try_emplace(function);
  ++at->second.running;
  at->second.used = now;
  if (!is_new) return;
  at->second.idle = idle();
  changes_.publish({.function = function, .has_instances = true});
}

void Presence::end(const FunctionName& function, Time now) {
  const std::lock_guard lock(mutex_);
  const auto at = present_.find(function);
  if (at == present_.end()) return;
  --at->second.running;
  at->second.used = now;
}

void Presence::expire(Time now) {
  const std::lock_guard lock(mutex_);
  for (auto at = present_.begin(); at != present_.end();) {
    const Entry& entry = at->second;
    if (entry.running > 0 || now - entry.used < entry.idle) {
      ++at;
      continue;
    }
    changes_.publish({.function = at->first, .has_instances = false});
    at = present_.erase(at);
  }
}

std::pair<std::vector<FunctionName>, std::unique_ptr<Presence::Changes::Listener>> Presence::listen(
    exec::Core& core, std::uint64_t user) {
  const std::lock_guard lock(mutex_);
  std::vector<FunctionName> present;
  present.reserve(present_.size());
  for (const auto& [name, entry] : present_) present.push_back(name);
  return {std::move(present), changes_.listen(core, user)};
}

}  // namespace canopy::hyperfaas
