#pragma once
// Passwords of people, hashed with argon2id: 64 MiB and some tens of milliseconds each. For a blocking pool
// with few threads and a short queue, never for a core.
//
// Threads: any; both block.

#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::crypto {

inline constexpr std::size_t password_size_min = 8;
inline constexpr std::size_t password_size_max = 1024;

//   invalid      shorter or longer than the two bounds
//   unavailable  no memory for it
Result<std::string> hash_password(std::string_view password);

// `hash` may be "": nobody's. It takes as long then, so that nobody learns which names there are.
bool check_password(std::string_view password, const std::string& hash);

}  // namespace canopy::crypto
