#pragma once
// The walls around a node, as it tells of them: one of the messages of frames.proto. For the files of this
// folder.

#include <memory>

#include "frames.pb.h"
#include "model/walls.h"

namespace canopy::wire {

inline constexpr std::size_t walls_text_size_max = 300;  // Of each of its texts; what is longer is cut.

void put_walls(const Walls& walls, frames::Walls& message);
// Nothing where a text of it is too long.
std::shared_ptr<const Walls> take_walls(frames::Walls& message);

}  // namespace canopy::wire
