#pragma once
// The worker processes of this machine: starts them, hears of their end, starts them again, makes them more
// or fewer.
//
//   place: starting ─ hello ─▶ ready ─ resize() or SIGTERM ─▶ draining ─ its calls ended ─▶ gone
//             ▲ after a while      │ ended; silent, so killed
//             └────── waiting ◀────┘
//
// A worker that answers no ping for a while is hung or stopped, and is killed: what it had begun is lost as
// with any other death. Pings are counted, not timed, so a machine that stood still kills nobody.
//
// Threads: a thread of its own does all of it, on a loop of its own; the methods are for any.
// Life:    the cores and the clock outlive it. Ending it ends the workers, at once.

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "exec/core.h"
#include "policy/restart.h"
#include "scale/fleet.h"
#include "wire/node_frames.h"
#include "worker/crew.h"
#include "worker/launcher.h"

namespace canopy::worker {

struct FleetOptions {
  std::uint32_t worker_count = 1;  // At first.
  wire::WorkerSetup setup;         // All but the worker's number.
  std::uint32_t slots = 1;         // Calls at once on one worker.
  Duration silence_max = std::chrono::seconds(5);
  Duration start_time_max = std::chrono::seconds(30);
  CrewOptions crew;
  policy::RestartRule restart;
};

class Fleet final : public scale::Fleet {
 public:
  Fleet(FleetOptions options, std::vector<exec::Core*> cores, std::unique_ptr<Launcher> launcher,
        const Clock& clock);
  ~Fleet() override;

  // Returns when all of the first are ready. The cores need not run yet.
  //   unavailable  one after the other ended before it was
  Result<void> start();
  // The same without a thread, for tests on a fake clock: whoever calls runs the loop, round by round.
  void begin();
  void poll();

  std::vector<Crew*> crews();

  std::vector<Node> nodes() const override;
  policy::FleetLoad load() override;
  void resize(std::uint32_t count) override;
  void listen(Listener listener) override;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace canopy::worker
