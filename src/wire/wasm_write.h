#pragma once
// Writes the numbers and lengths of a WebAssembly binary.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace canopy::wire {

// In at least `size_min` bytes.
inline void add_u32(std::uint64_t value, std::size_t size_min, std::string& out) {
  for (std::size_t size = 1;; ++size) {
    const auto low = static_cast<unsigned char>(value & 0x7f);
    value >>= 7;
    const bool last = value == 0 && size >= size_min;
    out += static_cast<char>(last ? low : low | 0x80);
    if (last) return;
  }
}

inline void add_u32(std::uint64_t value, std::string& out) { add_u32(value, 1, out); }

inline void add_s64(std::int64_t value, std::string& out) {
  for (;;) {
    const auto low = static_cast<unsigned char>(value & 0x7f);
    value >>= 7;  // Of signed numbers: keeps the sign.
    const bool last = (value == 0 && (low & 0x40) == 0) || (value == -1 && (low & 0x40) != 0);
    out += static_cast<char>(last ? low : low | 0x80);
    if (last) return;
  }
}

// A length and so many bytes.
inline void add_text(std::string_view text, std::string& out) {
  add_u32(text.size(), out);
  out += text;
}

}  // namespace canopy::wire
