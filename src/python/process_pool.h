#pragma once
// The processes of one warmed process: who wants to run a call gets one here, and gives it back. A few are
// forked ahead, so that a call finds its walls built. Where the function asks for it, some are kept for
// further calls; while they wait they do not run.
//
// Threads: its core's, but for end_soon().
// Life:    the core outlives it.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "exec/core.h"
#include "python/process.h"
#include "python/zygote.h"

namespace canopy::python {

struct KeepOptions {
  std::size_t count_max = 0;    // Waiting at once; 0: each call has a process of its own.
  std::uint64_t calls_max = 1;  // Of one process; then it is replaced.
};

class ProcessPool final : public std::enable_shared_from_this<ProcessPool> {
 public:
  ProcessPool(exec::Core& core, std::shared_ptr<Zygote> zygote, KeepOptions options);

  Zygote& zygote() const { return *zygote_; }

  // One that is kept, else a fresh one. When the warmed process is ready.
  //   unavailable  no descriptor is left
  Result<std::shared_ptr<Process>> acquire();
  // Whether `process`, whose call has ended well, would be kept.
  bool would_keep(const Process& process) const;
  // Of each that was acquired, once: keeps it, or ends it.
  void release(std::shared_ptr<Process> process, bool keep);

  Time used() const { return used_; }
  std::size_t busy_count() const { return busy_count_; }
  std::size_t idle_count() const { return idle_.size(); }
  // Since when the one has waited that has waited longest; never where none does.
  Time idle_since() const { return idle_.empty() ? never : idle_.front().since; }
  void end_longest_idle();

  // Ends the warmed process, and all others with it.
  void end(const Error& why);
  // The same, once no call of it runs: from any thread, when nobody acquires any more.
  void end_soon();

 private:
  struct Idle {
    Time since;
    std::shared_ptr<Process> process;
  };

  void refill_soon();
  void refill();
  void end_waiting();

  exec::Core& core_;
  const std::shared_ptr<Zygote> zygote_;
  const KeepOptions options_;
  std::deque<std::shared_ptr<Process>> fresh_;  // Forked ahead.
  std::deque<Idle> idle_;  // The last one to wait is called first, so that what is too much ends.
  std::size_t busy_count_ = 0;
  Time used_;
  bool refills_ = false;
  bool retired_ = false;
};

}  // namespace canopy::python
