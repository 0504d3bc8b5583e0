#pragma once
// The bytes of the interpreter's module, which is inside the program.

#include <string_view>

namespace canopy::js {

std::string_view interpreter();

}  // namespace canopy::js
