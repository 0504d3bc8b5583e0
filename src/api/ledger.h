#pragma once
// What all cores have metered and the disk has not yet. Cores put in what they have; whoever wants it written
// writes all of it, one at a time, so that after write() everything put in before is on the disk, or still
// here.
//
// Threads: any; write() blocks.

#include <mutex>
#include <vector>

#include "api/meter.h"
#include "base/error.h"
#include "store/users.h"

namespace canopy::api {

class Ledger {
 public:
  void put(const std::vector<DayUsage>& rows) {
    const std::lock_guard lock(mutex_);
    pending_.give_back(rows);
  }

  Result<void> write(store::Users& users, WallTime now) {
    const std::lock_guard one_at_a_time(writing_);
    const std::vector<DayUsage> rows = take(now);
    auto written = users.add_usage(rows);
    if (!written) put(rows);
    return written;
  }

 private:
  std::vector<DayUsage> take(WallTime now) {
    const std::lock_guard lock(mutex_);
    return pending_.take(now);
  }

  std::mutex writing_;
  std::mutex mutex_;
  Meter pending_;  // Guarded by mutex_.
};

}  // namespace canopy::api
