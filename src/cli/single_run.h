#pragma once
// canopy run: one module, once, without a server: for local work and for conformance suites.
//
// Threads: one; blocks.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

// What the program's status says where the guest did not end by itself, as shells do.
inline constexpr int status_timed_out = 124;
inline constexpr int status_trapped = 134;
inline constexpr int status_past_limit = 137;

Result<int> run_once(Command& command, Terminal& terminal);

}  // namespace canopy::cli
