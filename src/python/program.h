#pragma once
// What a warmed process runs, inside our program: zygote.py, and serialised.py where the function is such a
// one.

#include <string_view>

namespace canopy::python {

std::string_view zygote_program();
std::string_view serialised_program();

}  // namespace canopy::python
