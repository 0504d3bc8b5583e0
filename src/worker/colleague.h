#pragma once
// A worker as all cores of its parent see it: how many calls it has, and how many more it takes.
//
// One of this machine has as many places as each core's connection grants. One of another machine has places
// that all cores share, and asks for a call for each that is free: a call that is pulled goes against such an
// ask, one that is pushed goes to a free place, and uses up the ask for it. Of a balancer, the places are
// those of all who are below it, and change as they come and go.
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
  std::string name;                              // As in the list of nodes; set before anybody sees it.
  std::atomic<std::uint32_t> running_count = 0;  // Calls of all cores.

  std::uint64_t key = 0;  // Who it is, the same when it comes again; 0: its number says.

  // Of another machine's alone, the first three set before anybody sees them:
  bool joined = false;                         // Else each line's hello says how many calls it takes.
  bool balancer = false;                       // Each line says what it offers.
  std::vector<std::string> runtimes;           // Those it has; none: all. Not a balancer's.
  std::atomic<bool> silent = false;            // It owes answers to pings: it gets no calls.
  std::atomic<std::uint32_t> asked_count = 0;  // Calls that it has asked for and not got.
  std::atomic<Duration::rep> asked_since = 0;  // When it last got one, or began to ask.

  bool has_runtime(const std::string& name) const;
  // Calls at once, of all cores.
  std::uint32_t slots() const;
  // So many are they, from now on; false, and nothing, where that is older news than what is known.
  bool set_slots(std::uint32_t count, std::uint32_t news_number = 0);
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

  std::atomic<std::uint64_t> offered = 0;  // The number of the news, and the slots.
};

}  // namespace canopy::worker
