#pragma once
// The program's own log, on standard error; what functions write goes to their calls' logs instead.
// Threads: any. A line is written whole. Control characters in what is logged are escaped by log_safe().

#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

namespace canopy {

namespace log = spdlog;

// `level`: trace, debug, info, warning, error, off. False where it is none of these.
bool start_log(std::string_view level);

// `text` with control characters as \xNN, so that nobody can forge a line; at most `size_max` bytes.
std::string log_safe(std::string_view text, std::size_t size_max = 400);

}  // namespace canopy
