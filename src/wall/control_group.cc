#include "wall/control_group.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace canopy::wall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view groups_mount = "/sys/fs/cgroup";
constexpr std::string_view name_begin = "canopy-wall-";  // Then the number of the process.
constexpr const char* server_name = "/server";           // Version 2: where the process itself is.
constexpr std::array<std::string_view, 2> controllers = {"memory", "pids"};
// Of version 1 a limit that is none is a little below this.
constexpr std::uint64_t no_limit_from = std::uint64_t{1} << 62U;

// Where enter_own_group() has made one of version 2; written before there are threads.
std::string& own_folder() {
  static std::string folder;
  return folder;
}

bool write_file(const std::string& path, std::string_view text) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// The number in the file; 0 where there is none, as with "max".
std::uint64_t read_limit(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (!(file >> number) || number >= no_limit_from) return 0;
  return number;
}

std::uint64_t least(std::uint64_t a, std::uint64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// Over all groups from its own up.
std::uint64_t least_limit(const GroupPlace& place, std::string_view first_version,
                          std::string_view second_version) {
  if (place.mount.empty()) return 0;
  const std::string file = "/" + std::string(place.is_second_version ? second_version : first_version);
  std::uint64_t found = 0;
  for (std::string path = place.path;; path.resize(path.rfind('/'))) {
    found = least(found, read_limit(place.mount + path + file));
    if (path.find('/') == std::string::npos) return found;
  }
}

std::string own_name() { return "/" + std::string(name_begin) + std::to_string(getpid()); }

tl::unexpected<Error> no_group(const std::string& what) {
  const int number = errno;
  return fail(Code::unavailable, "no control group of its own: " + what + ": " +
                                     std::strerror(number));  // NOLINT(concurrency-mt-unsafe)
}

bool hand_over(const std::string& folder, const GroupOwner& owner) {
  bool whole = chown(folder.c_str(), owner.user, owner.group) == 0;
  for (const char* const file : {"/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control", "/tasks"}) {
    const std::string path = folder + file;
    if (access(path.c_str(), F_OK) == 0) whole = chown(path.c_str(), owner.user, owner.group) == 0 && whole;
  }
  return whole;
}

// Of one controller in version 1, of both in version 2.
Result<void> set_limits(const std::string& folder, std::string_view controller, const GroupLimits& limits,
                        bool is_second_version) {
  if (controller == "memory" && limits.memory_bytes != 0) {
    const std::string text = std::to_string(limits.memory_bytes);
    if (!write_file(folder + (is_second_version ? "/memory.max" : "/memory.limit_in_bytes"), text)) {
      return no_group("limiting the memory of " + folder);
    }
    // Missing where the kernel counts no swap.
    if (is_second_version) write_file(folder + "/memory.swap.max", "0");
    if (!is_second_version) write_file(folder + "/memory.memsw.limit_in_bytes", text);
  }
  if (controller == "pids" && limits.tasks != 0 &&
      !write_file(folder + "/pids.max", std::to_string(limits.tasks))) {
    return no_group("limiting the tasks of " + folder);
  }
  return {};
}

Result<void> enter_first_version(const GroupPlace& place, std::string_view controller,
                                 const GroupLimits& limits, const std::optional<GroupOwner>& owner) {
  if (place.mount.empty() || place.is_second_version) {
    return fail(Code::unavailable,
                "no control group of its own: this machine's kernel has none for " + std::string(controller));
  }
  remove_orphan_groups(place.folder(), name_begin);
  const std::string folder = place.folder() + own_name();
  if (mkdir(folder.c_str(), 0755) != 0) return no_group("making " + folder);
  const auto enter = [&]() -> Result<void> {
    CANOPY_TRY_VOID(set_limits(folder, controller, limits, false));
    if (owner && !hand_over(folder, *owner)) return no_group("giving away " + folder);
    if (!write_file(folder + "/cgroup.procs", std::to_string(getpid())))
      return no_group("entering " + folder);
    return {};
  };
  auto entered = enter();
  if (!entered) rmdir(folder.c_str());
  return entered;
}

// A group with the limits, in it one for this process: a group that has processes can have no others in it
// whose memory is counted. For the same reason the group around has to lose its only process first.
Result<void> enter_second_version(const GroupPlace& place, const GroupLimits& limits,
                                  const std::optional<GroupOwner>& owner) {
  const std::string outside = place.folder();
  remove_orphan_groups(outside, name_begin);
  const std::string folder = outside + own_name();
  const std::string inner = folder + server_name;
  const std::string own = std::to_string(getpid());
  if (mkdir(folder.c_str(), 0755) != 0) return no_group("making " + folder);
  // A group whose controllers count for those in it takes no process; the first of all does, and others in it
  // may need that they count.
  const auto back = [&](tl::unexpected<Error> why) {
    write_file(folder + "/cgroup.subtree_control", "-memory");
    if (!place.path.empty()) write_file(outside + "/cgroup.subtree_control", "-memory -pids");
    write_file(outside + "/cgroup.procs", own);
    remove_group(folder);
    return why;
  };
  if (mkdir(inner.c_str(), 0755) != 0) return back(no_group("making " + inner));
  if (!write_file(inner + "/cgroup.procs", own)) return back(no_group("entering " + inner));
  if (!write_file(outside + "/cgroup.subtree_control", "+memory +pids")) {
    return back(no_group("having " + outside +
                         " count the memory of groups in it, which takes a group with no other process"));
  }
  for (const std::string_view controller : controllers) {
    if (auto set = set_limits(folder, controller, limits, true); !set) {
      return back(tl::unexpected(std::move(set).error()));
    }
  }
  write_file(folder + "/cgroup.subtree_control", "+memory");
  if (owner && !(hand_over(folder, *owner) && hand_over(inner, *owner))) {
    return back(no_group("giving away " + folder));
  }
  own_folder() = folder;
  return {};
}

}  // namespace

// Lines "4:memory:/path" of version 1, where several controllers may share one, and "0::/path" of version 2.
GroupPlace group_of(pid_t process, std::string_view controller) {
  std::ifstream file("/proc/" + std::to_string(process) + "/cgroup");
  GroupPlace second_version;
  const std::string word = "," + std::string(controller) + ",";
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string path = line.substr(second + 1) == "/" ? "" : line.substr(second + 1);
    const std::string names = line.substr(first + 1, second - first - 1);
    const std::string mount(groups_mount);
    if (("," + names + ",").find(word) != std::string::npos) {
      return {.mount = mount + "/" + names, .path = path};
    }
    if (names.empty()) second_version = {.mount = mount, .path = path, .is_second_version = true};
  }
  const bool is_whole = access((std::string(groups_mount) + "/cgroup.controllers").c_str(), F_OK) == 0;
  return is_whole ? second_version : GroupPlace();
}

GroupLimits limits_of(pid_t process) {
  return {.memory_bytes = least_limit(group_of(process, "memory"), "memory.limit_in_bytes", "memory.max"),
          .tasks = least_limit(group_of(process, "pids"), "pids.max", "pids.max")};
}

Result<void> enter_own_group(const GroupLimits& limits, const std::optional<GroupOwner>& owner) {
  const GroupPlace memory = group_of(getpid(), "memory");
  if (memory.is_second_version) return enter_second_version(memory, limits, owner);
  Result<void> entered;
  for (const std::string_view controller : controllers) {
    const bool is_wanted = controller == "memory" ? limits.memory_bytes != 0 || owner : limits.tasks != 0;
    if (!is_wanted) continue;
    // One wall is better than none: where it does not get the first it may get the second.
    auto one = enter_first_version(group_of(getpid(), controller), controller, limits, owner);
    if (!one) entered = std::move(one);
  }
  return entered;
}

std::string own_group_folder() { return own_folder(); }

// From the innermost on: a folder of the kernel's files cannot be removed as a tree.
void remove_group(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error) && !entry.is_symlink(error)) remove_group(entry.path().string());
  }
  rmdir(folder.c_str());
}

void remove_orphan_groups(const std::string& outside, std::string_view begin) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(outside, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(begin)) continue;
    pid_t owner = 0;
    std::from_chars(name.data() + begin.size(), name.data() + name.size(), owner);
    if (owner == getpid() || (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH)) {
      remove_group(entry.path().string());
    }
  }
}

}  // namespace canopy::wall
