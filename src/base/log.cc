#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include "base/hex.h"

namespace canopy {

bool start_log(std::string_view level) {
  const auto wanted = spdlog::level::from_str(std::string(level));
  if (wanted == spdlog::level::off && level != "off") return false;
  if (spdlog::get("canopy") == nullptr) spdlog::set_default_logger(spdlog::stderr_color_mt("canopy"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(wanted);
  return true;
}

std::string log_safe(std::string_view text, std::size_t size_max) {
  std::string safe;
  for (const char c : text.substr(0, size_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      safe += c;
    } else {
      safe += "\\x";
      append_hex(byte, safe);
    }
  }
  if (text.size() > size_max) safe += "...";
  return safe;
}

}  // namespace canopy
