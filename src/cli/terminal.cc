#include "cli/terminal.h"

#include <cstdlib>
#include <iostream>

#include <unistd.h>

namespace canopy::cli {

std::string Terminal::styled(std::string_view code, std::string_view text) const {
  if (!streams_.colour) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string Terminal::safe(std::string_view text) const {
  if (!streams_.out_is_terminal) return std::string(text);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string shown;
  shown.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte != 0x7f) || c == '\n' || c == '\t') {
      shown += c;
    } else {
      shown += "\\x";
      shown += digits[byte >> 4U];
      shown += digits[byte & 15U];
    }
  }
  return shown;
}

Terminal open_terminal(bool no_color) {
  const bool out = isatty(STDOUT_FILENO) == 1;
  return Terminal({.out = std::cout,
                   .err = std::cerr,
                   .in_is_terminal = isatty(STDIN_FILENO) == 1,
                   .out_is_terminal = out,
                   .err_is_terminal = isatty(STDERR_FILENO) == 1,
                   .colour = out && !no_color});
}

}  // namespace canopy::cli
