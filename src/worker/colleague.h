#pragma once
// A worker as all cores of its parent see it: how many calls it has, and how many more it takes.
//
// One of this machine has as many places as each core's connection grants. One of another machine has places
// that all cores share, and asks for a call for each that is free: a call that is pulled goes against such an
// ask, one that is pushed goes to a free place, and uses up the ask for it.
//
// Threads: any.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "policy/dispatch.h"

namespace canopy::worker {

using WorkerNumber = std::uint64_t;  // Never used twice by one fleet.

struct Colleague {
  WorkerNumber number = 0;
  std::atomic<std::uint32_t> running_count = 0;  // Calls of all cores.

  // Of another machine's alone, the first two set before anybody sees them:
  std::uint32_t slots = 0;                     // Calls at once, of all cores; 0: each line's hello says.
  std::vector<std::string> runtimes;           // Those it has; none: all.
  std::atomic<std::uint32_t> asked_count = 0;  // Calls that it has asked for and not got.
  std::atomic<Duration::rep> asked_since = 0;  // When it last got one, or began to ask.

  bool has_runtime(const std::string& name) const;
  // How many more it takes; of what was seen, another core may be faster to take one.
  std::uint32_t room(policy::Dispatch way) const;
  // Takes a place; false where there is none any more.
  bool take_place(policy::Dispatch way, Time now);
  // The call that had it is over.
  void give_place() { running_count.fetch_sub(1, std::memory_order_relaxed); }
  // It was taken for a call that is not sent.
  void give_back(Time now);
  // It asks for so many calls more: at most for as many as it has slots.
  void ask(std::uint64_t count, Time now);
};

}  // namespace canopy::worker
