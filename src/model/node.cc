#include "model/node.h"

#include <array>

#include "model/function.h"

namespace canopy {

std::string_view name(NodeState state) {
  constexpr std::array<std::string_view, 5> names = {"starting", "ready", "draining", "waiting", "gone"};
  return names.at(static_cast<std::size_t>(state));
}

bool is_node_path(std::string_view text) {
  for (std::size_t depth = 0; depth < tree_depth_max; ++depth) {
    const std::size_t end = text.find('/');
    if (!is_name_part(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace canopy
