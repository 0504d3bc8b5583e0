#pragma once
// What HTTP allows in a header, and how its names compare.

#include <string_view>

#include "base/words.h"

namespace canopy::net {

// Equal but for the case of ASCII letters.
inline bool same_text(std::string_view a, std::string_view b) { return same_word(a, b); }

// A name of a header or a method: letters, digits and !#$%&'*+-.^_`|~, at least one.
bool is_token(std::string_view text);

// A header's value: no control character but the tab.
bool is_field_value(std::string_view text);

// Whether `list`, the value of a header such as Connection, has `word` among its commas.
bool list_has(std::string_view list, std::string_view word);

}  // namespace canopy::net
