#include "model/record.h"

#include <array>

namespace canopy {

std::string_view name(State state) {
  constexpr std::array<std::string_view, 5> names = {"QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"};
  return names.at(static_cast<std::size_t>(state));
}

}  // namespace canopy
