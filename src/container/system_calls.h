#pragma once
// Which system calls a container may make whatever their arguments: all that ordinary programs need, and none
// that administer the machine. By name; what a kernel does not know is passed over. seccomp.h has the others.

#include <cstdint>
#include <span>
#include <string_view>

namespace canopy::container {

std::span<const std::string_view> allowed_system_calls();

// Of clone(): each of them would make a new namespace.
inline constexpr std::uint64_t namespace_flags = 0x7e020000;

}  // namespace canopy::container
