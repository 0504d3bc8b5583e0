#pragma once
// Waits for a process that this one started, but not for ever.
//
// Threads: any; both block, and only one may wait for a process.

#include <optional>

#include <sys/types.h>

#include "base/clock.h"

namespace canopy {

// The status that it ended with, as waitpid() says it; nothing where it still runs after `timeout`. It is
// gone then for good: do not ask again once it has answered.
std::optional<int> wait_for_child(pid_t id, Duration timeout);

// Ends it, at once and whatever it does; its status. Nothing where even so the kernel keeps it: then the
// kernel has it, and nobody waits for it any more. `id` as of kill(): a negative one is a group, and its
// leader is waited for.
std::optional<int> kill_child(pid_t id);

}  // namespace canopy
