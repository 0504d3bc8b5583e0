#pragma once
// The walls around a warmed process: user, mount, process, network, IPC and host name namespaces of its own,
// a root that has the interpreter and the function's folders in it, read-only, and nothing else of the
// machine.
//
// As root it first becomes an unprivileged user; without root, the kernel has to allow user namespaces.
//
// Threads: the only one of its process.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace canopy::python {

struct SandboxPlan {
  std::filesystem::path prefix;                  // Of the interpreter: seen where it is.
  std::filesystem::path function;                // Seen at /function.
  std::filesystem::path site;                    // Seen at /site; "" for none.
  std::vector<std::filesystem::path> path = {};  // Seen at /path/0, /path/1, …
  bool writable_site = false;                    // For the installer.
  bool network = false;                          // The machine's.
  std::uint64_t memory_bytes = 0;                // Address space of one process.
  std::uint64_t processes = 0;
};

// Goes behind the walls. Returns in a new process, the first of its process namespace, which ends with the
// one that called; that one waits for it and exits with its status.
//   unavailable  the kernel does not allow it, with what to change
Result<void> enter_sandbox(const SandboxPlan& plan);

// Ends this process with its parent; the process that started it is `parent`, or has ended already: false.
bool tie_to_parent(long parent);

}  // namespace canopy::python
