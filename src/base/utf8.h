#pragma once
// UTF-8 as strangers send it: check it, or repair it. Strict: no overlong forms, no surrogates, nothing past
// U+10FFFF.

#include <cstddef>
#include <string>
#include <string_view>

namespace canopy {

struct Utf8Step {
  std::size_t size = 0;  // Bytes of the character at the front, or of the broken piece of one; at least 1.
  bool valid = false;
};

// Looks at the front of `text`, which is not empty.
Utf8Step utf8_step(std::string_view text);

// How many characters `text` has; a broken piece of one counts as one.
std::size_t count_characters(std::string_view text);

// Where the first byte lies that does not belong to a character; npos where all do.
std::size_t find_invalid_utf8(std::string_view text);

// Appends `code_point`, which is a scalar value.
void append_utf8(char32_t code_point, std::string& out);

// `text` with U+FFFD in place of each broken piece.
std::string repaired_utf8(std::string_view text);

}  // namespace canopy
