#include "js/interpreter.h"

#include <cstddef>

// The build makes the module from src/js/engine and says where it is.
asm(R"(
  .section .rodata.canopy_js, "a", @progbits
  .balign 16
  .global canopy_js_begin
canopy_js_begin:
  .incbin ")" CANOPY_JS_INTERPRETER R"("
  .global canopy_js_end
canopy_js_end:
  .previous
)");

extern "C" {
extern const char canopy_js_begin;  // NOLINT(readability-identifier-naming)
extern const char canopy_js_end;    // NOLINT(readability-identifier-naming)
}

namespace canopy::js {

std::string_view interpreter() {
  return {&canopy_js_begin, static_cast<std::size_t>(&canopy_js_end - &canopy_js_begin)};
}

}  // namespace canopy::js
