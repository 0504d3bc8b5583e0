#pragma once
// The walls around a process that runs guests, as its kernel tells of them: what it may not do, whoever
// breaks out of the engine. Plain data.
//
// Threads: any.

#include <cstdint>
#include <string>
#include <vector>

namespace canopy {

struct Walls {
  std::string user = {};               // "canopy"; a number where it has no name. "": nothing is known.
  std::uint64_t capabilities = 0;      // That count now: a bit each, as in /proc/PID/status.
  bool no_new_privileges = false;      // Whatever it starts, it gets no more rights.
  std::string filter = {};             // On system calls, "allow-list of 250 calls"; "": none.
  std::uint64_t memory_max_bytes = 0;  // Of its control groups, the least; 0: none limits it.
  std::uint64_t tasks_max = 0;         // Processes and threads, likewise.
  std::string no_group = {};           // Why there is no group with the limits that were asked for.

  bool operator==(const Walls&) const = default;
};

// A sentence for each wall that is not there, with what to do about it; none where nothing is known.
std::vector<std::string> missing_walls(const Walls& walls);

// Those that hold, in one line: "user canopy, no new privileges, allow-list of 250 calls, memory 2GiB".
std::string describe(const Walls& walls);

}  // namespace canopy
