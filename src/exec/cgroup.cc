#include "exec/cgroup.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace canopy::exec {
namespace {

constexpr std::string_view mount_folder = "/sys/fs/cgroup";

// Whether `word` is one of those between the commas of `list`.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// The number that stands behind `word` in the file, or at its beginning for an empty one; 0 where there is
// none.
std::uint64_t number_in(const Descriptor& file, std::string_view word) {
  std::array<char, 1024> text;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = pread(file.get(), text.data(), text.size(), 0);
  std::string_view rest(text.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
  const std::size_t at = rest.find(word);
  if (at == std::string_view::npos) return 0;
  rest.remove_prefix(at + word.size());
  std::uint64_t number = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

Descriptor open_file(const std::string& path) { return Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

}  // namespace

// Lines "4:memory:/path" of version 1, where several controllers may share one, and "0::/path" of version 2.
Cgroup::Cgroup(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/cgroup");
  const std::string mount(mount_folder);
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    std::string folder = mount + "/" + controllers + path;
    if (has_word(controllers, "memory")) {
      memory_folder_ = folder;
      memory_ = open_file(folder + "/memory.usage_in_bytes");
    }
    if (has_word(controllers, "cpuacct")) {
      cpu_ = open_file(folder + "/cpuacct.usage");
      if (!cpu_) cpu_ = open_file(mount + "/cpuacct" + path + "/cpuacct.usage");
    }
    if (!controllers.empty()) continue;
    folder = mount + path;
    if (!cpu_) cpu_ = open_file(folder + "/cpu.stat");
    if (memory_) continue;
    memory_folder_ = folder;
    memory_ = open_file(folder + "/memory.current");
  }
}

bool Cgroup::is_out_of_memory() const {
  if (memory_folder_.empty()) return false;
  constexpr std::string_view word = "oom_kill ";
  return number_in(open_file(memory_folder_ + "/memory.oom_control"), word) > 0 ||
         number_in(open_file(memory_folder_ + "/memory.events"), word) > 0;
}

Duration Cgroup::cpu_time() const {
  if (!cpu_) return {};
  if (const std::uint64_t microseconds = number_in(cpu_, "usage_usec ")) {
    return std::chrono::microseconds(microseconds);
  }
  return std::chrono::nanoseconds(number_in(cpu_, ""));
}

std::uint64_t Cgroup::memory_bytes() const { return memory_ ? number_in(memory_, "") : 0; }

bool counts_swap() {
  const std::string mount(mount_folder);
  return access((mount + "/memory/memory.memsw.limit_in_bytes").c_str(), F_OK) == 0 ||
         access((mount + "/cgroup.controllers").c_str(), F_OK) == 0;
}

void bound_tcp(const std::string& path, std::uint64_t bytes_max) {
  constexpr const char* file = "/memory.kmem.tcp.limit_in_bytes";
  const std::string memory = std::string(mount_folder) + "/memory";
  if (access((memory + file).c_str(), F_OK) != 0) return;
  static_cast<void>(mkdir((memory + path).c_str(), 0755));
  std::ofstream(memory + path + file) << bytes_max;
}

void remove_tcp_bound(const std::string& path) {
  static_cast<void>(rmdir((std::string(mount_folder) + "/memory" + path).c_str()));
}

}  // namespace canopy::exec
