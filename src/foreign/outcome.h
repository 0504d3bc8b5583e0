#pragma once
// Where an instance was started, which one thread waits for and another one finds out.
//
// Threads: any; wait() blocks, no longer than its time.

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "foreign/remote_workers.h"

namespace canopy::foreign {

class Outcome {
 public:
  // False where it comes too late: nobody has the instance, and whoever started it stops it.
  bool set(Result<RemoteWorkers::Place> place) {
    const std::lock_guard lock(mutex_);
    if (is_given_up_ || place_) return false;
    place_ = std::move(place);
    is_set_.notify_all();
    return true;
  }

  // Once.
  //   unavailable  it is not known in time
  //   and what was set
  Result<RemoteWorkers::Place> wait(Duration time) {
    std::unique_lock lock(mutex_);
    if (is_set_.wait_for(lock, time, [this] { return place_.has_value(); })) return *place_;
    is_given_up_ = true;
    return fail(Code::unavailable, "no worker of HyperFaaS has started it in time", Stage::start);
  }

 private:
  std::mutex mutex_;
  std::condition_variable is_set_;
  std::optional<Result<RemoteWorkers::Place>> place_;  // Guarded by it, as is the next.
  bool is_given_up_ = false;
};

}  // namespace canopy::foreign
