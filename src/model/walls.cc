#include "model/walls.h"

#include <string_view>

#include "base/units.h"

namespace canopy {
namespace {

constexpr std::string_view root = "root";
constexpr std::uint64_t low_ports_alone = 1U << 10U;  // CAP_NET_BIND_SERVICE

}  // namespace

std::vector<std::string> missing_walls(const Walls& walls) {
  std::vector<std::string> missing;
  if (walls.user.empty()) return missing;
  // Who has asked for a limit need not be told how.
  const auto without = [&walls, &missing](std::string_view what, std::string_view how) {
    missing.push_back("no control group limits its " + std::string(what) + ": " +
                      (walls.no_group.empty() ? std::string(how) : walls.no_group));
  };
  if (walls.user == root) missing.emplace_back("it runs as root: --user=NAME has it run as somebody else");
  if (walls.user != root && (walls.capabilities & ~low_ports_alone) != 0) {
    missing.emplace_back("it has capabilities that it does not need: start it without");
  }
  if (!walls.no_new_privileges) missing.emplace_back("what it starts may get more rights than it has");
  if (walls.filter.empty()) missing.emplace_back("nothing filters its system calls");
  if (walls.memory_max_bytes == 0) without("memory", "--wall-memory=SIZE, or MemoryMax= of systemd");
  if (walls.tasks_max == 0) {
    without("processes and threads", "--wall-tasks=N, or TasksMax= of systemd");
  }
  return missing;
}

std::string describe(const Walls& walls) {
  std::string text = "user " + walls.user;
  if (walls.user != root && walls.capabilities != 0) text += " with capabilities";
  if (walls.no_new_privileges) text += ", no new privileges";
  if (!walls.filter.empty()) text += ", " + walls.filter;
  if (walls.memory_max_bytes != 0) text += ", memory " + size_text(walls.memory_max_bytes);
  if (walls.tasks_max != 0) text += ", " + std::to_string(walls.tasks_max) + " tasks";
  return text;
}

}  // namespace canopy
