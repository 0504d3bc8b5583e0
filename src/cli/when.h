#pragma once
// Times as the server writes them, as people say them.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace canopy::cli {

// "2026-01-31T12:00:00.000Z"; nothing for what is no such time.
std::optional<WallTime> parse_time(std::string_view text);

// "3 min ago"; "" where the time is not known.
std::string ago(std::string_view time, const Clock& clock);

}  // namespace canopy::cli
