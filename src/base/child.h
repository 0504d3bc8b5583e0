#pragma once
// Starts a process, and waits for it, but not for ever.
//
// Threads: any. Waiting blocks, and only one may wait for a process.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/clock.h"
#include "base/error.h"

namespace canopy {

// In place of a descriptor: /dev/null, or what this process has there.
inline constexpr int no_stream = -1;
inline constexpr int same_stream = -2;

struct ChildPlan {
  enum class Group : std::uint8_t { same, own, session };  // Whose signals it gets; a session is a group too.

  std::string program;                               // A path; without a '/', what our PATH finds.
  std::vector<std::string> words;                    // As it sees them: the first is its name.
  std::optional<std::vector<std::string>> env = {};  // "NAME=value"; else what this process has.
  std::string folder = {};                           // That it starts in; "": this one's.
  // Its descriptors 0, 1, 2 and so on; it has no others. Those that are not the standard three are neither
  // no_stream nor same_stream, and lie above all numbers that are given here (above() sees to it).
  std::vector<int> streams = {no_stream, no_stream, no_stream};
  Group group = Group::same;
};

// Starts it; its id. No signal is blocked in it, and SIGPIPE is not ignored, whatever this process does with
// them; in a group of its own no other is, either. In ours `nohup` holds for it too.
//   unavailable  in the system's words, to be put behind what was tried
Result<pid_t> start_child(const ChildPlan& plan);

// `number` as a descriptor above `least`, closed in what is started; `number` itself is closed. Below zero
// where none is left.
int above(int least, int number);

// The status that it ended with, as waitpid() says it; nothing where it still runs after `timeout`. It is
// gone then for good: do not ask again once it has answered.
std::optional<int> wait_for_child(pid_t id, Duration timeout);

// Ends it, at once and whatever it does; its status. Nothing where even so the kernel keeps it: then the
// kernel has it, and nobody waits for it any more. `id` as of kill(): a negative one is a group, and its
// leader is waited for.
std::optional<int> kill_child(pid_t id);

}  // namespace canopy
