#pragma once
// Whether bytes are well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.

#include <string_view>

namespace canopy::guest {

bool is_utf8(std::string_view bytes);

}  // namespace canopy::guest
