#pragma once
// What a call's time was spent on, in lines for people:
//
//   queue  +0 s      20.1 us  ##
//   hop    +20.1 us  312 us     ##########
//   start  +332 us   1.25 ms              #########################
//   run    +1.58 ms  80 us                                         ###
//
// When each part began, how long it took, and where it lies in the whole.

#include <string>
#include <vector>

#include "cli/json_fields.h"

namespace canopy::cli {

// Of the `usage` of a call's record. Parts that are not known are left out, and so is a start of no time:
// there was none.
std::vector<std::string> timeline(const Json& usage);

// From its arrival to its first instruction; nothing known: 0.
double waited_seconds(const Json& usage);

}  // namespace canopy::cli
