#pragma once
// Words in ASCII, whose case does not matter: names of headers, units, states. Bytes beyond ASCII are what
// they are.

#include <algorithm>
#include <string_view>

namespace canopy {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The same but for upper and lower case.
constexpr bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace canopy
