#pragma once
// What the kernel counts of a process and its kin: their control group, of version 1 or 2.
//
// Threads: any, also at once; asking costs a microsecond or two.

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/clock.h"
#include "base/descriptor.h"

namespace canopy::exec {

class Cgroup {
 public:
  Cgroup() = default;  // Of nobody: all is 0.
  // That of `process`, as it is now.
  explicit Cgroup(pid_t process);

  // Whether the kernel has ended a process of it for lack of memory.
  bool is_out_of_memory() const;
  // Of all its processes since it began.
  Duration cpu_time() const;
  // Of all its processes, now.
  std::uint64_t memory_bytes() const;

 private:
  std::string memory_folder_;  // "" where there is none.
  Descriptor cpu_;
  Descriptor memory_;
};

// Whether the kernel can limit memory and swap together.
bool counts_swap();

// Control groups of version 1 count what lies in TCP connections apart, so that a limit of memory does not
// bound it, and runc sets none. One of its own for the group `path` that is made next; nothing where the
// kernel counts all together. Before its first process: what was opened earlier is not counted.
void bound_tcp(const std::string& path, std::uint64_t bytes_max);
// Where the group was not made after all.
void remove_tcp_bound(const std::string& path);

}  // namespace canopy::exec
