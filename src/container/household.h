#pragma once
// The engine, the keeper and its threads: made when the first container function needs them, or at once where
// an earlier server had containers; and ended with all containers.
//
// Threads: any.

#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "container/engine.h"
#include "container/keeper.h"
#include "container/pool.h"
#include "container/runtime.h"
#include "exec/core.h"
#include "net/blocking_pool.h"

namespace canopy::container {

class Household {
 public:
  Household(const RuntimeOptions& options, const Clock& clock);
  // Ends all containers: each is asked, and killed a second later.
  ~Household();
  Household(const Household&) = delete;
  Household& operator=(const Household&) = delete;

  // The engine, which has removed what an earlier server left behind.
  //   unavailable
  Result<Engine*> engine();

  // After engine().
  std::shared_ptr<Pool> make_pool(PoolOptions options);

 private:
  const RuntimeOptions& options_;
  exec::Core core_;
  std::mutex mutex_;
  std::unique_ptr<Engine> engine_;  // Guarded by it, as are the rest.
  std::unique_ptr<net::BlockingPool> blocking_pool_;
  std::unique_ptr<Keeper> keeper_;
  std::jthread thread_;
  std::jthread cleaner_;
};

}  // namespace canopy::container
