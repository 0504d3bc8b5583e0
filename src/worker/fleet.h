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
  std::uint32_t worker_count = 1;                      // At first; at least 1.
  wire::WorkerSetup setup;                             // All but the worker's number.
  std::uint32_t slots = 1;                             // Calls at once on one worker.
  Duration silence_max = std::chrono::seconds(5);      // Without an answer to a ping; then it is killed.
  Duration start_time_max = std::chrono::seconds(30);  // From its start to its hello; likewise.
  CrewOptions crew;
  policy::RestartRule restart;
};

class Fleet final : public scale::Fleet {
 public:
  Fleet(FleetOptions options, std::vector<exec::Core*> cores, std::unique_ptr<Launcher> launcher,
        const Clock& clock);
  ~Fleet() override;

  // Returns when all of the first are ready. The cores need not run yet. Waits for little more
  // than three times `start_time_max`.
  //   unavailable  one after the other could not be started, or ended before all were ready
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
