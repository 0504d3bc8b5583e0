#pragma once
// Which way calls go to what runs them.
//
//   local  this machine: the server's own process, or its worker processes
//   push   the least loaded of the workers that have joined, as soon as it has a place free
//   pull   the worker that has asked for one for longest; nobody gets a call that did not ask
//
// One rule for all functions, and exceptions by name.

#include <cstdint>
#include <map>
#include <string_view>

#include "base/error.h"
#include "model/function.h"

namespace canopy::policy {

enum class Dispatch : std::uint8_t { local, push, pull };

std::string_view to_text(Dispatch way);  // "local", "push", "pull"
//   invalid
Result<Dispatch> parse_dispatch(std::string_view text);

struct DispatchRules {
  Dispatch mode = Dispatch::local;
  std::map<FunctionName, Dispatch> functions;
  bool operator==(const DispatchRules&) const = default;
};

Dispatch choose_dispatch(const DispatchRules& rules, const FunctionName& name);
// Whether any function's calls go to workers that have joined.
bool needs_workers(const DispatchRules& rules);

}  // namespace canopy::policy
