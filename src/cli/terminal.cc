#include "cli/terminal.h"

#include <cstdlib>
#include <iostream>

#include <unistd.h>

#include "base/hex.h"
#include "base/utf8.h"

namespace canopy::cli {
namespace {

// A character of more than one byte that some terminal acts upon: the second set of control characters
// (U+0080 to U+009F), and marks that turn the direction of what follows.
bool acts_on_terminal(std::string_view character) {
  if (character.size() == 2) return character[0] == '\xc2' && static_cast<unsigned char>(character[1]) < 0xa0;
  if (character.size() != 3 || !character.starts_with("\xe2")) return false;
  const std::string_view rest = character.substr(1);
  return (rest >= "\x80\xaa" && rest <= "\x80\xae") || (rest >= "\x81\xa6" && rest <= "\x81\xa9") ||
         rest == "\x80\x8e" || rest == "\x80\x8f";
}

void append_escaped(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    out += "\\x";
    append_hex(static_cast<unsigned char>(c), out);
  }
}

std::string escaped(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const std::string_view character = text.substr(0, step.size);
    const auto byte = static_cast<unsigned char>(text.front());
    const bool control = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
    if (control || !step.valid || acts_on_terminal(character)) {
      append_escaped(character, shown);
    } else {
      shown += character;
    }
    text.remove_prefix(step.size);
  }
  return shown;
}

}  // namespace

std::string Terminal::styled(std::string_view code, std::string_view text) const {
  if (!streams_.colour) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string Terminal::safe(std::string_view text) const {
  return streams_.out_is_terminal ? escaped(text) : std::string(text);
}

std::string Terminal::safe_error(std::string_view text) const {
  return streams_.err_is_terminal ? escaped(text) : std::string(text);
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
