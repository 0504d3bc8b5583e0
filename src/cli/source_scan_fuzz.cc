#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/source_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto hints = canopy::cli::scan_c(text, "fuzz.cc");
  if (!hints && hints.error().message.empty()) __builtin_trap();  // A refusal says why.
  canopy::cli::is_go_reactor(text);
  return 0;
}
