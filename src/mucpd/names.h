#pragma once
// What MUCPD's users and functions are called here. There a name is whatever stands in a segment of a path,
// here it is letters, digits, '-', '_' and '.'; so the rest is escaped, and no two names become one.
//
//   alice       mucpd-alice          add          add
//   a.b         mucpd-a.2eb          $x           x.x.24x        (what does not begin with a letter or digit)
//   100 letters mucpd-x.h<digest>                                (what would be too long)
//
// '.' is followed by two hexadecimal digits, or by 'x' or 'h', which are none.

#include <cstddef>
#include <string>
#include <string_view>

#include "model/function.h"

namespace canopy::mucpd {

// A longer name is refused; it is kept whole beside the function.
inline constexpr std::size_t name_bytes_max = 1024;

std::string space_of(std::string_view user);
FunctionName function_of(std::string_view user, std::string_view function);
// Stands for the user. No function of a user has that name.
FunctionName marker_of(std::string_view user);

// Whether that is some user's.
bool is_space(std::string_view space);

// The name that became `part`, a function's name or what follows "mucpd-" in a namespace; "" for a digest.
std::string unescape(std::string_view part);

}  // namespace canopy::mucpd
