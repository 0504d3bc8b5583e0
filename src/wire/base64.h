#pragma once
// Base64 as Python's codec of that name has it, which is MIME's: it is written in lines of 76 characters,
// each with its end. What is read may have anything between its characters; its end counts, which is a whole
// group.

#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

//   invalid  in Python's words: "Incorrect padding"
Result<std::string> read_base64(std::string_view text);

std::string write_base64(std::string_view bytes);

}  // namespace canopy::wire
