#include "python/program.h"

#include <cstddef>

// The build says where they are.
asm(R"(
  .section .rodata.canopy_python, "a", @progbits
  .global canopy_python_zygote_begin
canopy_python_zygote_begin:
  .incbin ")" CANOPY_PYTHON_FOLDER R"(/zygote.py"
  .global canopy_python_zygote_end
canopy_python_zygote_end:
  .global canopy_python_serialised_begin
canopy_python_serialised_begin:
  .incbin ")" CANOPY_PYTHON_FOLDER R"(/serialised.py"
  .global canopy_python_serialised_end
canopy_python_serialised_end:
  .previous
)");

extern "C" {
extern const char canopy_python_zygote_begin;      // NOLINT(readability-identifier-naming)
extern const char canopy_python_zygote_end;        // NOLINT(readability-identifier-naming)
extern const char canopy_python_serialised_begin;  // NOLINT(readability-identifier-naming)
extern const char canopy_python_serialised_end;    // NOLINT(readability-identifier-naming)
}

namespace canopy::python {
namespace {

std::string_view between(const char& begin, const char& end) {
  return {&begin, static_cast<std::size_t>(&end - &begin)};
}

}  // namespace

std::string_view zygote_program() { return between(canopy_python_zygote_begin, canopy_python_zygote_end); }

std::string_view serialised_program() {
  return between(canopy_python_serialised_begin, canopy_python_serialised_end);
}

}  // namespace canopy::python
