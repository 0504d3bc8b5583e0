#pragma once
// Pickles, Python's serialised objects, from the outside. To make an object of one is to run what it says, so
// nothing here does: it is told apart from what is none, opcode by opcode, and what is written is texts and
// exceptions.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

// Each pickle of protocol 2 and later begins with it, and no text in UTF-8 does.
inline constexpr char pickle_mark = '\x80';

// Whether `bytes` are one whole pickle of protocols 2 to 5: opcodes that there are, each with what belongs to
// it, up to the one that stops.
//   invalid  in Python's words, where it has some: "pickle data was truncated"
Result<void> check_pickle(std::string_view bytes);

// A str, as Python's own pickler writes it. `text` is UTF-8 and has less than 64 KiB.
std::string pickle_text(std::string_view text);

// A dict with one text in it, as dill writes it.
std::string pickle_entry(std::string_view key, std::string_view value);

// An exception of the standard library with one argument: pickle_exception("TimeoutError", "too late").
std::string pickle_exception(std::string_view type, std::string_view text);

}  // namespace canopy::wire
