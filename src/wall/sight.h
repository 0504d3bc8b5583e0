#pragma once
// Which files this process can open, by the kernel's Landlock: whatever its user may read, it sees a few
// folders. Nor can it look into processes that see more.
//
// Threads: the only one of its process; those that it makes see as little.

#include <string>
#include <vector>

#include "base/error.h"

namespace canopy::wall {

// From now on it opens, for reading, what lies in `paths`, and nothing else; what is open stays so. A path
// that is not there is passed over. Cannot be taken back.
//   invalid      there are other threads, which would see all files as before
//   unavailable  the kernel has no Landlock
Result<void> see_only(const std::vector<std::string>& paths);

// What programs read to look up names, check certificates and tell the time.
std::vector<std::string> system_files();

}  // namespace canopy::wall
