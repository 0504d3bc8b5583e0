#pragma once
// Sizes and durations as people write them: "64MiB", "1.5GB", "250ms", "5s", "2m".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace canopy {

inline constexpr std::uint64_t KiB = 1024;
inline constexpr std::uint64_t MiB = 1024 * KiB;
inline constexpr std::uint64_t GiB = 1024 * MiB;

// A whole number of bytes, alone or with B, kB, KB, MB, GB (powers of 1000), KiB, MiB, GiB (of 1024).
// Nothing for anything else, and for what does not fit in 63 bits.
std::optional<std::uint64_t> parse_size(std::string_view text);

// A decimal number with ns, us, ms, s, m, h or d. A unit is demanded: "5" could be anything.
// Nothing for negative values and for more than a hundred years.
std::optional<Duration> parse_duration(std::string_view text);

std::string size_text(std::uint64_t bytes);    // "64MiB"; exact: falls back to plain bytes.
std::string duration_text(Duration duration);  // "250ms"; exact: the largest unit that divides it.

}  // namespace canopy
