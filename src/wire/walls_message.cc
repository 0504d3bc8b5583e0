#include "wire/walls_message.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace canopy::wire {

void put_walls(const Walls& walls, frames::Walls& message) {
  message.set_user(walls.user.substr(0, walls_text_size_max));
  message.set_capabilities(walls.capabilities);
  message.set_no_new_privileges(walls.no_new_privileges);
  message.set_filter(walls.filter.substr(0, walls_text_size_max));
  message.set_memory_max_bytes(walls.memory_max_bytes);
  message.set_tasks_max(walls.tasks_max);
  message.set_no_group(walls.no_group.substr(0, walls_text_size_max));
}

std::shared_ptr<const Walls> take_walls(frames::Walls& message) {
  const std::size_t longest =
      std::max({message.user().size(), message.filter().size(), message.no_group().size()});
  if (longest > walls_text_size_max) return nullptr;
  return std::make_shared<const Walls>(Walls{.user = std::move(*message.mutable_user()),
                                             .capabilities = message.capabilities(),
                                             .no_new_privileges = message.no_new_privileges(),
                                             .filter = std::move(*message.mutable_filter()),
                                             .memory_max_bytes = message.memory_max_bytes(),
                                             .tasks_max = message.tasks_max(),
                                             .no_group = std::move(*message.mutable_no_group())});
}

}  // namespace canopy::wire
