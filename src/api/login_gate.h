#pragma once
// How often a password may be tried: so often a minute for one name, whoever tries. What it knows is bounded.
//
// Threads: any.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "policy/quota.h"

namespace canopy::api {

class LoginGate {
 public:
  static constexpr std::uint64_t tries_per_minute = 10;
  static constexpr std::size_t names_max = 10'000;

  // Whether one more may be made, and if not, when.
  policy::BucketDecision enter(const std::string& name, Time now) {
    const std::lock_guard lock(mutex_);
    if (names_.size() >= names_max) {
      const policy::BucketState at = now.time_since_epoch().count();
      std::erase_if(names_, [at](const auto& entry) { return entry.second <= at; });
    }
    // Names beyond what is kept share one bucket.
    policy::BucketState& state = names_[names_.size() >= names_max ? std::string() : name];
    const policy::BucketDecision decision = policy::take(state, now, tries_per_minute, 1);
    state = decision.state;
    return decision;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, policy::BucketState> names_;  // Guarded by mutex_.
};

}  // namespace canopy::api
