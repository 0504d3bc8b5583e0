#include "model/dispatch.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "base/log.h"

namespace canopy {
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

}  // namespace canopy
