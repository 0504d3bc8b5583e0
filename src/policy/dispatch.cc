#include "policy/dispatch.h"

#include <algorithm>

namespace canopy::policy {

Dispatch choose_dispatch(const DispatchRules& rules, const FunctionName& name, std::optional<Dispatch> own) {
  const auto exception = rules.functions.find(name);
  return exception == rules.functions.end() ? own.value_or(rules.mode) : exception->second;
}

bool needs_workers(const DispatchRules& rules) {
  return rules.mode != Dispatch::local || std::ranges::any_of(rules.functions, [](const auto& rule) {
           return rule.second != Dispatch::local;
         });
}

}  // namespace canopy::policy
