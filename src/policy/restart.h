#pragma once
// When a worker that ended is started again: at once the first time, then later and later as long as it does
// not live for a while. A function that ends each worker it is given to would otherwise keep the machine busy
// with starting them.

#include <cstdint>

#include "base/clock.h"

namespace canopy::policy {

struct RestartRule {
  Duration first_delay = std::chrono::milliseconds(50);  // Doubles from here.
  Duration delay_max = std::chrono::seconds(1);
  Duration healthy_after = std::chrono::seconds(10);  // One that lived so long is new again.
};

// The deaths of one worker's place.
class Restarts {
 public:
  explicit Restarts(const RestartRule& rule = {}) : rule_(rule) {}

  // It ended after it had lived for `lived`; returns how long its place stays empty.
  Duration ended(Duration lived);
  std::uint64_t count() const { return count_; }

 private:
  RestartRule rule_;
  std::uint64_t count_ = 0;
  std::uint32_t in_a_row_ = 0;
};

}  // namespace canopy::policy
