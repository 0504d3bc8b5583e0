#pragma once
// What a verb sends: -d DATA, -d @FILE, -d @- or, without it, what is piped in.

#include <string>

#include "base/error.h"
#include "cli/files.h"
#include "cli/flags.h"
#include "cli/terminal.h"

namespace canopy::cli {

inline Result<std::string> read_input(const Flags& flags, const Terminal& terminal) {
  if (!flags.has_data) return terminal.in_is_terminal() ? std::string() : read_file("-");
  if (!flags.data.starts_with('@')) return flags.data;
  return read_file(flags.data.substr(1));
}

}  // namespace canopy::cli
