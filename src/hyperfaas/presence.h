#pragma once
// Which functions have instances, as routers of HyperFaaS want to know: from a function's first call on,
// until none has come for as long as its instances stay idle.
//
// Threads: any.
// Life:    outlives its listeners.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "hyperfaas/news.h"
#include "model/function.h"

namespace canopy::hyperfaas {

class Presence {
 public:
  struct Change {
    FunctionName function;
    bool has_instances = false;
  };
  using Changes = News<Change>;

  // A call of `function` begins, whose instances stay for so long as `idle` says, which is asked with its
  // first one; and ends.
  void begin(const FunctionName& function, Time now, const std::function<Duration()>& idle);
  void end(const FunctionName& function, Time now);
  // Those that have been idle for so long have none any more.
  void expire(Time now);

  // Those that have instances now, and all changes from then on; null where as many of that user's listen as
  // may.
  std::pair<std::vector<FunctionName>, std::unique_ptr<Changes::Listener>> listen(exec::Core& core,
                                                                                  std::uint64_t user);

  static constexpr std::size_t listeners_max = 256;

 private:
  struct Entry {
    std::uint64_t running = 0;
    Time used{};
    Duration idle{};
  };

  static constexpr std::size_t changes_max = 10'000;

  std::mutex mutex_;
  std::map<FunctionName, Entry> present_;  // Guarded by it.
  Changes changes_{changes_max, listeners_max};
};

}  // namespace canopy::hyperfaas
