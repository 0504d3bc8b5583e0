#pragma once
// The life of a process between the server and Python: it goes behind the walls, and becomes the interpreter.
//
//   descriptor 3   packets from and to the server (wire/python_frames.h); the first one says what to become

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "python/memory_groups.h"
#include "python/sandbox.h"

namespace canopy::python {

inline constexpr std::string_view python_child_word = "run-python";
inline constexpr std::string_view requirements_file = ".requirements.txt";  // In /site, for the installer.
inline constexpr std::string_view installer_folder = ".installing";         // In /site, and left there.

struct LaunchPlan {
  SandboxPlan sandbox;
  std::filesystem::path interpreter;
  bool install = false;          // Runs the installer; else the warmed process.
  std::vector<std::string> env;  // "NAME=value", for the installer.
};

struct Launched {
  pid_t process = 0;   // Ends with the thread that launched it, and all that it started ends with it.
  Descriptor control;  // Packets, non-blocking.
  Descriptor output;   // What the installer prints; none else.
  std::shared_ptr<MemoryGroup> memory;  // What it and the processes that it starts may hold together.
};

// Starts one, in a group of `groups` where they are given. Blocks for about a millisecond, and as enter()
// does.
//   unavailable  no process can be made
Result<Launched> launch(const LaunchPlan& plan, MemoryGroups* groups = nullptr);

bool is_python_child(int count, const char* const* arguments);
// Returns its exit status, if it returns.
int python_child(int count, const char* const* arguments);

}  // namespace canopy::python
