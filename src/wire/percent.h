#pragma once
// Percent-encoding (RFC 3986), read strictly and once, and the query of a URL.

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

// "a%20b" -> "a b". What is decoded is not decoded again.
//   invalid  a '%' without two hexadecimal digits
Result<std::string> percent_decode(std::string_view text);

// Everything but letters, digits and "-._~" as %XX.
std::string percent_encode(std::string_view text);

// The value of the first parameter of that name in "a=1&b=two+words&flag", decoded, with '+' for a space; ""
// for one without '='; nothing where it is absent.
//   invalid  a bad escape in this parameter; the message names it
Result<std::optional<std::string>> query_value(std::string_view query, std::string_view name);

}  // namespace canopy::wire
