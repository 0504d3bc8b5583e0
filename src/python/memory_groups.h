#pragma once
// What all processes of one call hold together has an end: each call's process is in a control group of the
// kernel's, of version 1 or 2, and each warmed process is in another. Groups are used again and again.
//
// Where this process may make none, calls have the limits of single processes alone.
//
// Threads: any. enter() and why_none() block, the former for 10 ms at times: the kernel waits for all its
//          processors before it moves a process.
// Life:    a group keeps what made it. The last one to go removes all groups, whose processes are gone then.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/descriptor.h"

namespace canopy::python {

class MemoryGroups;

// Used by one process and all that it starts. Whoever lets go of it has ended them.
class MemoryGroup {
 public:
  MemoryGroup(std::shared_ptr<MemoryGroups> made_by, std::string folder, std::uint64_t bytes);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  // Whether the kernel has ended a process in it, since it is used by this one, for lack of memory.
  bool is_exhausted() const;

 private:
  const std::shared_ptr<MemoryGroups> made_by_;
  const std::string folder_;
  const std::uint64_t bytes_;
  const std::uint64_t kills_before_;
};

class MemoryGroups : public std::enable_shared_from_this<MemoryGroups> {
 public:
  MemoryGroups() = default;
  ~MemoryGroups();
  MemoryGroups(const MemoryGroups&) = delete;
  MemoryGroups& operator=(const MemoryGroups&) = delete;

  // Puts a child of this process into a group, before it is waited for: what it and its children get from now
  // on, its /tmp included, is at most `bytes`; swap is none. Nothing where there are no groups.
  std::shared_ptr<MemoryGroup> enter(pid_t child, std::uint64_t bytes);
  // The same for a process of which somebody else waits for the end; `handle` is a pidfd of it.
  std::shared_ptr<MemoryGroup> enter(const Descriptor& handle, std::uint64_t bytes);

  // Why there are none here, which is logged once; "" where there are.
  std::string why_none();

 private:
  friend class MemoryGroup;
  struct Free {
    std::string folder;
    std::uint64_t bytes = 0;
  };

  bool open();
  std::string take(std::uint64_t bytes);
  void give(Free free);

  std::mutex mutex_;
  bool opened_ = false;  // Guarded by it, as is all else.
  std::string outside_;  // The folder of the group that this process's groups are made in.
  std::string folder_;   // For the groups; "" where there are none.
  std::string why_none_;
  std::uint64_t last_number_ = 0;
  std::vector<Free> free_;
};

}  // namespace canopy::python
