#pragma once
// The pools of one core: how many there may be, and how many processes may wait in them, together and for how
// long. What was used longest ago ends first.
//
// Threads: its core's; close() when that has stopped.

#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "exec/core.h"
#include "python/process_pool.h"

namespace canopy::python {

struct PoolsOptions {
  std::size_t count_max = 1;
  std::size_t idle_max = 0;  // Processes that wait.
  Duration idle_time_max{};
};

class Pools final : private exec::Turn {
 public:
  Pools(exec::Core& core, PoolsOptions options) : core_(core), options_(options) {}

  // Ends the one that was used longest ago where there are as many as there may be.
  //   unavailable  all are busy
  Result<void> make_room();
  void add(const std::shared_ptr<ProcessPool>& pool) { pools_.push_back(pool); }

  // One more process waits in one of them.
  void settle();

  void close() { core_.leave(*this); }

 private:
  void take() override;
  void expire() override {}
  // The pool whose process has waited longest, of those where any waits.
  std::shared_ptr<ProcessPool> find_idle(std::size_t& idle_count) const;
  void wake_for(const ProcessPool& pool);

  exec::Core& core_;
  const PoolsOptions options_;
  std::vector<std::weak_ptr<ProcessPool>> pools_;  // All that were made here and may live.
  bool wakes_ = false;
};

}  // namespace canopy::python
