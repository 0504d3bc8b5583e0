#pragma once
// Who runs leased calls: the cores of this machine, a fake in tests, workers elsewhere.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "model/durable.h"

namespace canopy::calls {

struct Work {
  std::shared_ptr<const DurableCall> call;
  std::uint32_t attempt = 1;
};

// How it went. `busy`: it was not begun, since the function had no place free; it may be given back.
struct RunEnd {
  Outcome outcome;
  bool busy = false;
  Duration busy_for{};  // How long it will stay so, where that is known.
};

class Runner {
 public:
  using Done = std::function<void(const Work& work, RunEnd end)>;

  virtual ~Runner() = default;

  virtual std::size_t lane_count() const = 0;
  // How many calls may run at once of that function; 0 where there is none: they still run, to say so.
  virtual std::uint32_t concurrency(const FunctionName& function) const = 0;

  // Begins each of `works` on that lane and calls `done` once for each, on any thread. Does not wait.
  virtual void run(std::size_t lane, std::vector<Work> works, Done done) = 0;
  // Ends that call, wherever it runs. Does not wait.
  virtual void cancel(CallId id) = 0;
};

}  // namespace canopy::calls
