#pragma once
// canopy top: what the server does now, again every second.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> top(Command& command, Terminal& terminal);

// Of the server's /metrics, what top shows of each function.
struct FunctionCounts {
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
  double run_seconds = 0;
  double cpu_seconds = 0;
};
std::map<std::string, FunctionCounts> read_counts(std::string_view metrics);

}  // namespace canopy::cli
