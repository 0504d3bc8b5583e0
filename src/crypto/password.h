#pragma once
// Passwords of people, hashed with argon2id: 64 MiB and some tens of milliseconds each. For a blocking pool
// with few threads and a short queue, never for a core.
//
// Threads: any; both block.

#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::crypto {

// Of a new password, in characters (Unicode's scalar values, as JSON Schema counts them).
inline constexpr std::size_t password_characters_min = 8;
inline constexpr std::size_t password_characters_max = 200;
// No password is longer, also of those that were set when there was no bound but this one.
inline constexpr std::size_t password_bytes_max = 1024;

//   invalid      no UTF-8, or fewer or more characters than the two bounds
//   unavailable  no memory for it
Result<std::string> hash_password(std::string_view password);

// False for any that is longer than password_bytes_max. `hash` may be "": nobody's. It takes as long then, so
// that nobody learns which names there are.
bool check_password(std::string_view password, const std::string& hash);

}  // namespace canopy::crypto
