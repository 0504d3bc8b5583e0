#pragma once
// What a server or a node gives up before its first thread and its first child: its user, where it is to have
// another, the system calls that it has no use for, memory without end.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/environment.h"
#include "options/options.h"

namespace canopy::cli {

struct WallSettings {
  std::string user;                 // "": it stays who it is.
  std::uint64_t memory_bytes = 0;   // Of it and all that it starts; 0: no limit of ours.
  std::uint64_t tasks = 0;          // Processes and threads, likewise.
  std::filesystem::path data;       // Absolute.
  std::vector<std::string> listen;  // All addresses that it will listen at.
  std::string python;               // The settings of these names.
  std::string container_engine;
  std::string runc;
  std::string docker_socket;
};

WallSettings walls_of(const Options& options);

// Where the kernel does not let it have a wall, it goes on without, warns, and says so in /debug/state. One
// that --user asks for is there when this returns.
//   invalid      there is no such user; this process may not become it; the data folder is another's
//   unavailable  the kernel refuses the user
Result<void> raise_walls(const WallSettings& settings, const Environment& environment);

}  // namespace canopy::cli
