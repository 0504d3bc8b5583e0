#pragma once
// The known name that somebody most likely meant. Every error about an unknown name ends with it.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace canopy {

// The one of `known` that is a slip of the keyboard away from `text`: letters changed, left out, put in or
// swapped, upper and lower case and '-' and '_' being the same. Nothing where none is that near.
std::optional<std::string_view> nearest_name(std::string_view text, std::span<const std::string_view> known);

// "; did you mean 'memory'?", or "" where nothing is near.
std::string did_you_mean(std::string_view text, std::span<const std::string_view> known);

}  // namespace canopy
