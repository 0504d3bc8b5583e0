#pragma once
// Hands leased calls to the lanes (cores) that run them, the least loaded first, and their ends back to the
// log.
//
//   CallLog ── lease ──▶ Dispatcher ── Work ──▶ Runner (a lane each core)
//           ◀─ complete ──        ◀─ RunEnd ──
//
// It has a thread of its own, since leasing may have to read a call from the disk. It keeps leases alive
// while their calls run; an attempt that does not end although its time is long over is let go, and counts as
// lost.
//
// Threads: wake() and in_flight_count() from any; start(), drain() and stop() from one.
// Life:    the log and the runner outlive it; stop() waits for its thread, not for the calls that run.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "calls/runner.h"
#include "store/call_log.h"

namespace canopy::calls {

struct DispatcherOptions {
  std::size_t in_flight_max = 1024;                     // Calls that run at once, over all lanes.
  std::size_t batch_max = 256;                          // Leased at a time.
  Duration lease_time = std::chrono::seconds(30);       // Renewed while the call runs.
  Duration run_time_max = std::chrono::hours(1);        // No attempt takes longer than this.
  Duration busy_delay = std::chrono::milliseconds(20);  // Before a call that found no place is leased again.
};

class Dispatcher {
 public:
  Dispatcher(store::CallLog& log, Runner& runner, DispatcherOptions options, const Clock& clock);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  void start();
  // Something waits that did not before.
  void wake();

  // Leases no more; true when what runs had ended and was recorded within `timeout`. What waits goes on
  // waiting.
  bool drain(Duration timeout);
  // Leases no more, and gives back what has not ended.
  void stop();

  std::size_t in_flight_count() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // Shared with what runs: an end may come after stop().
};

}  // namespace canopy::calls
