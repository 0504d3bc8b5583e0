#include "policy/dispatch.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "base/log.h"

namespace canopy::policy {
namespace {

constexpr std::array<std::string_view, 3> names = {"local", "push", "pull"};

}  // namespace

std::string_view to_text(Dispatch way) { return names.at(static_cast<std::size_t>(way)); }

Result<Dispatch> parse_dispatch(std::string_view text) {
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return static_cast<Dispatch>(found - names.begin());
  return fail(Code::invalid,
              "'" + log_safe(text, 40) + "' is no way to dispatch calls; it is local, push or pull");
}

Dispatch choose_dispatch(const DispatchRules& rules, const FunctionName& name) {
  const auto own = rules.functions.find(name);
  return own == rules.functions.end() ? rules.mode : own->second;
}

bool needs_workers(const DispatchRules& rules) {
  return rules.mode != Dispatch::local || std::ranges::any_of(rules.functions, [](const auto& rule) {
           return rule.second != Dispatch::local;
         });
}

}  // namespace canopy::policy
