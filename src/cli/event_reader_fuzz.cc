#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/event_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  canopy::cli::EventReader reader([](std::string_view name, std::string_view) {
    if (name.empty()) __builtin_trap();  // An event without a name is a "message".
    return true;
  });
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    reader.take(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return 0;
}
