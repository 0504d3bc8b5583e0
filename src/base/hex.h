#pragma once
// Bytes as lower-case hexadecimal digits, and back.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace canopy {

inline constexpr std::string_view hex_digits = "0123456789abcdef";

// Both digits of one byte.
inline void append_hex(unsigned char byte, std::string& out) {
  out += hex_digits[byte >> 4U];
  out += hex_digits[byte & 15U];
}

// What one digit counts; nothing for what is none, capitals among it.
inline std::optional<unsigned> hex_value(char digit) {
  const std::size_t at = hex_digits.find(digit);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(at);
}

// Nothing but digits; none at all is that too.
inline bool is_hex(std::string_view text) {
  return text.find_first_not_of(hex_digits) == std::string_view::npos;
}

}  // namespace canopy
