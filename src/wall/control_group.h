#pragma once
// The control groups of a process, of version 1 or 2 of the kernel's: what they allow it, and one of its own.
//
// Threads: any; blocks for moments on files of the kernel's. enter_own_group() before there are others.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/error.h"

namespace canopy::wall {

// Where groups with a controller lie, and the one of a process there.
struct GroupPlace {
  std::string mount;  // "": nothing counts it here.
  std::string path;   // "" for the first one of all.
  bool is_second_version = false;

  std::string folder() const { return mount + path; }
};

// `controller` is "memory", "pids" and so on.
GroupPlace group_of(pid_t process, std::string_view controller);

struct GroupLimits {
  std::uint64_t memory_bytes = 0;  // 0: none.
  std::uint64_t tasks = 0;         // Processes and threads; likewise.
};

// The least of what is said to all groups that it is in.
GroupLimits limits_of(pid_t process);

// Who may make groups in the new one; nobody but root where it is absent.
struct GroupOwner {
  uid_t user = 0;
  gid_t group = 0;
};

// Moves this process into a group of its own with these limits, which is made below the one it is in: all
// that it starts is in there, too. Removes those of processes that are gone.
//   unavailable  no such group can be made, in a sentence. In version 2 the process is where it was; in
//                version 1, where each limit has groups of its own, it may be in that of the other one
Result<void> enter_own_group(const GroupLimits& limits, const std::optional<GroupOwner>& owner);

// In version 2 this process is in a group in the one with the limits, beside others that are made for its
// children: the folder of that. "" where it is in none of its own.
std::string own_group_folder();

// With those in it; what has processes stays.
void remove_group(const std::string& folder);

// Those in `outside` whose name is `begin` and then the number of the process that made them, where that is
// gone; and of one that had this one's number.
void remove_orphan_groups(const std::string& outside, std::string_view begin);

}  // namespace canopy::wall
