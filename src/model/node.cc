#include "model/node.h"

#include <array>
#include <cstddef>

namespace canopy {

std::string_view name(NodeState state) {
  constexpr std::array<std::string_view, 5> names = {"starting", "ready", "draining", "waiting", "gone"};
  return names.at(static_cast<std::size_t>(state));
}

}  // namespace canopy
