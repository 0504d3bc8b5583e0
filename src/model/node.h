#pragma once
// A node: a process that takes part in running calls. Plain data.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/walls.h"

namespace canopy {

enum class NodeState : std::uint8_t {
  starting,  // Its process is there, and not yet ready.
  ready,
  draining,  // Takes no more calls; what runs goes on.
  waiting,   // Its process ended; it is started again after a while.
  gone,      // It ended as it was to, and none takes its place.
};

std::string_view name(NodeState state);  // "starting", "ready", "draining", "waiting", "gone"

struct Node {
  std::string name;          // "worker-1"; below a balancer "leaf-1/worker-1".
  std::int64_t process = 0;  // 0 while there is none.
  NodeState state = NodeState::starting;
  std::uint64_t running_count = 0;
  std::uint64_t restart_count = 0;
  std::uint64_t resident_bytes = 0;
  WallTime since{};      // When its process started; or, while there is none, when that ended.
  std::string last_end;  // How the process before this one ended: "was ended by signal 9 (SIGKILL)"; or "".
  std::string address = {};      // Of one that has joined over the network: where it connects from.
  std::uint64_t slot_count = 0;  // And how many calls it takes at once.
  bool balancer = false;         // It runs no calls but gives them to those below it.
  std::uint64_t instance = 0;    // Of the run of its program; 0 where that is not known.
  std::shared_ptr<const Walls> walls = {};  // Around its process; of one of another machine, as it says.
};

inline constexpr std::size_t tree_depth_max = 16;

// Whether `text` could be the name of one below a balancer, "mid-1/leaf-2/worker-3".
bool is_node_path(std::string_view text);

}  // namespace canopy
