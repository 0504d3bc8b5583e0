#pragma once
// Sizes, durations and counts as people write them in files, flags and headers, with errors that say what to
// write instead. The messages begin with the value; the caller puts the place and the name before them.
//
// All fail with `invalid` only.

#include <cstdint>
#include <limits>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"

namespace canopy::wire {

struct SizeRange {
  std::uint64_t min = 0;
  std::uint64_t max = std::numeric_limits<std::int64_t>::max();
};

struct DurationRange {
  Duration min{};
  Duration max = std::chrono::hours(24 * 366);
};

struct CountRange {
  std::uint64_t min = 0;
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
};

Result<std::uint64_t> read_size(std::string_view text, SizeRange range = {});     // "64MiB"
Result<Duration> read_duration(std::string_view text, DurationRange range = {});  // "250ms"
Result<std::uint64_t> read_count(std::string_view text, CountRange range = {});   // "1000"
Result<bool> read_bool(std::string_view text);  // true, yes, on, 1, and their opposites.

// `text` between quotes, safe to print and at most 80 bytes of it.
std::string in_quotes(std::string_view text);

}  // namespace canopy::wire
