#pragma once
// Which way calls go to what runs them.
//
//   local  this machine: the server's own process, or its worker processes
//   push   the least loaded of the workers that have joined, as soon as it has a place free
//   pull   the worker that has asked for one for longest; nobody gets a call that did not ask

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace canopy {

enum class Dispatch : std::uint8_t { local, push, pull };

std::string_view to_text(Dispatch way);  // "local", "push", "pull"
//   invalid
Result<Dispatch> parse_dispatch(std::string_view text);

}  // namespace canopy
