#include "wall/read_walls.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

#include <pwd.h>
#include <unistd.h>

#include "wall/confine.h"
#include "wall/control_group.h"

namespace canopy::wall {
namespace {

constexpr std::size_t entry_bytes = 16 * 1024;

std::string& own_note() {
  static std::string note;
  return note;
}

std::string look_up(uid_t id) {
  std::array<char, entry_bytes> text{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(id, &entry, text.data(), text.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return std::to_string(id);
}

// Where users are listed may be far away, so it is asked once, and for this process's alone.
std::string name_of(uid_t id) {
  if (id == 0) return "root";
  static const uid_t own = geteuid();
  static const std::string own_name = look_up(own);
  return id == own ? own_name : std::to_string(id);
}

std::uint64_t number_in(std::string_view text, int base) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, base);
  return number;
}

struct Status {
  Walls walls;
  bool filters = false;
  std::uint64_t filter_count = 0;
};

// Lines "NoNewPrivs:\t1". Without limits.
Status read_status(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/status");
  Status status;
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(":\t");
    if (colon == std::string::npos) continue;
    const std::string_view word = std::string_view(line).substr(0, colon);
    std::string_view rest = std::string_view(line).substr(colon + 2);
    if (word == "Uid") {
      rest.remove_prefix(
          std::min(rest.find('\t') + 1, rest.size()));  // The real one; then the one that counts.
      status.walls.user = name_of(static_cast<uid_t>(number_in(rest, 10)));
    }
    if (word == "CapEff") status.walls.capabilities = number_in(rest, 16);
    if (word == "NoNewPrivs") status.walls.no_new_privileges = number_in(rest, 10) == 1;
    if (word == "Seccomp") status.filters = number_in(rest, 10) == 2;
    if (word == "Seccomp_filters") status.filter_count = number_in(rest, 10);
  }
  return status;
}

// A child is in the groups of this process, so why those are not there is the same.
void add_limits(pid_t process, Walls& walls) {
  const GroupLimits limits = limits_of(process);
  walls.memory_max_bytes = limits.memory_bytes;
  walls.tasks_max = limits.tasks;
  walls.no_group = own_note();
}

constexpr std::string_view unknown_filter = "a filter of system calls that was there before";

}  // namespace

Walls read_own_walls() {
  Status status = read_status(getpid());
  if (status.filters) {
    status.walls.filter = own_filter();
    if (status.walls.filter.empty()) status.walls.filter = unknown_filter;
  }
  add_limits(getpid(), status.walls);
  return status.walls;
}

Walls read_walls_of(pid_t child, FilterKind kind) {
  Status status = read_status(child);
  add_limits(child, status.walls);
  if (!status.filters) return status.walls;
  const bool has_own = status.filter_count > read_status(getpid()).filter_count;
  status.walls.filter = has_own ? describe(kind) : std::string(unknown_filter);
  return status.walls;
}

void note_no_group(const std::string& why) { own_note() = why; }

}  // namespace canopy::wall
