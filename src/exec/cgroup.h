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

}  // namespace canopy::exec
