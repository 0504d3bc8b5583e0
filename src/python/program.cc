#include "python/program.h"

#include <cstddef>

// The build says where it is.
asm(R"(
  .section .rodata.canopy_python, "a", @progbits
  .global canopy_python_begin
canopy_python_begin:
  .incbin ")" CANOPY_PYTHON_ZYGOTE R"("
  .global canopy_python_end
canopy_python_end:
  .previous
)");

extern "C" {
extern const char canopy_python_begin;  // NOLINT(readability-identifier-naming)
extern const char canopy_python_end;    // NOLINT(readability-identifier-naming)
}

namespace canopy::python {

std::string_view zygote_program() {
  return {&canopy_python_begin, static_cast<std::size_t>(&canopy_python_end - &canopy_python_begin)};
}

}  // namespace canopy::python
