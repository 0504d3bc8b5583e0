#include "model/durable.h"

#include <array>

namespace canopy {

std::string_view name(CallbackState::Kind kind) {
  constexpr std::array<std::string_view, 4> names = {"none", "waiting", "delivered", "failed"};
  return names.at(static_cast<std::size_t>(kind));
}

}  // namespace canopy
