#pragma once
// How large the image of a container function says that it is when it is unpacked: a function keeps it in its
// environment, as it does its settings (wire/container.h).
//
// Threads: any.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace canopy::wire {

inline constexpr std::string_view image_bytes_variable = "CANOPY_IMAGE_BYTES";

// 0 where it does not say.
std::uint64_t image_bytes(const std::map<std::string, std::string>& env);

}  // namespace canopy::wire
