#pragma once
// What a warmed process runs: zygote.py, inside our program.

#include <string_view>

namespace canopy::python {

std::string_view zygote_program();

}  // namespace canopy::python
