#pragma once
// Which way the calls of a function go (model/dispatch.h): one rule for all functions, what a function says
// of itself before it, and exceptions by name before both.

#include <map>
#include <optional>

#include "model/dispatch.h"
#include "model/function.h"

namespace canopy::policy {

using canopy::Dispatch;
using canopy::parse_dispatch;
using canopy::to_text;

struct DispatchRules {
  Dispatch mode = Dispatch::local;
  std::map<FunctionName, Dispatch> functions;  // The exceptions.
  bool operator==(const DispatchRules&) const = default;
};

// `own` is what the function says itself.
Dispatch choose_dispatch(const DispatchRules& rules, const FunctionName& name,
                         std::optional<Dispatch> own = std::nullopt);
// Whether the rules have any function's calls go to workers that have joined.
bool needs_workers(const DispatchRules& rules);

}  // namespace canopy::policy
