#include "python/memory_groups.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pidfd.h"
#include "wall/control_group.h"

namespace canopy::python {
namespace {

constexpr std::string_view name_begin = "canopy-python-";  // Then the number of the process that made it.
constexpr std::size_t free_max = 256;

// The files of version 1, then those of version 2.
constexpr std::array<const char*, 2> limit_files = {"/memory.limit_in_bytes", "/memory.max"};
constexpr std::array<const char*, 2> swap_files = {"/memory.memsw.limit_in_bytes", "/memory.swap.max"};
// Version 1 counts what lies in TCP connections apart.
constexpr const char* tcp_file = "/memory.kmem.tcp.limit_in_bytes";
constexpr std::array<const char*, 2> event_files = {"/memory.oom_control", "/memory.events"};

bool write_file(const std::string& path, std::string_view text) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string read_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = file ? read(file.get(), text.data(), text.size()) : 0;
  return {text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

std::uint64_t count_kills(const std::string& folder) {
  constexpr std::string_view word = "oom_kill ";
  for (const char* const name : event_files) {
    const std::string text = read_file(folder + name);
    const std::size_t at = text.find(word);
    if (at == text.npos) continue;
    std::uint64_t count = 0;
    std::from_chars(text.data() + at + word.size(), text.data() + text.size(), count);
    return count;
  }
  return 0;
}

bool has_limit(const std::string& folder) {
  return access((folder + limit_files[0]).c_str(), W_OK) == 0 ||
         access((folder + limit_files[1]).c_str(), W_OK) == 0;
}

// That of memory and swap together is never below that of memory, so it depends which of the two is first.
bool set_limit(const std::string& folder, std::uint64_t bytes) {
  const std::string text = std::to_string(bytes);
  write_file(folder + tcp_file, text);
  if (access((folder + limit_files[1]).c_str(), W_OK) == 0) {
    write_file(folder + swap_files[1], "0");  // Missing where the kernel counts no swap.
    return write_file(folder + limit_files[1], text);
  }
  if (write_file(folder + limit_files[0], text)) {
    write_file(folder + swap_files[0], text);
    return true;
  }
  return write_file(folder + swap_files[0], text) && write_file(folder + limit_files[0], text);
}

// A folder for groups below `outside`; "" where it cannot be made, or none in it would count memory.
std::string make_folder(const std::string& outside) {
  wall::remove_orphan_groups(outside, name_begin);
  std::string folder = outside + "/" + std::string(name_begin) + std::to_string(getpid());
  if (mkdir(folder.c_str(), 0755) != 0) return "";
  write_file(folder + "/cgroup.subtree_control", "+memory");
  const std::string first = folder + "/0";
  if (mkdir(first.c_str(), 0755) == 0) {
    const bool counts = has_limit(first);
    rmdir(first.c_str());
    if (counts) return folder;
  }
  rmdir(folder.c_str());
  return "";
}

}  // namespace

MemoryGroup::MemoryGroup(std::shared_ptr<MemoryGroups> made_by, std::string folder, std::uint64_t bytes)
    : made_by_(std::move(made_by)),
      folder_(std::move(folder)),
      bytes_(bytes),
      kills_before_(count_kills(folder_)) {}

MemoryGroup::~MemoryGroup() { made_by_->give({.folder = folder_, .bytes = bytes_}); }

bool MemoryGroup::is_exhausted() const { return count_kills(folder_) > kills_before_; }

MemoryGroups::~MemoryGroups() {
  if (!folder_.empty()) wall::remove_group(folder_);
}

// Guarded. In the group of this process, whose limits hold for it then, or beside it in the one that was made
// for both (version 2); else beside all others, where root may make one though a service's own group may have
// none below it (version 2).
bool MemoryGroups::open() {
  if (std::exchange(opened_, true)) return !folder_.empty();
  const wall::GroupPlace own = wall::group_of(getpid(), "memory");
  for (const std::string& outside : {wall::own_group_folder(), own.folder(), own.mount}) {
    if (own.mount.empty()) break;
    if (outside.empty()) continue;
    outside_ = outside;
    folder_ = make_folder(outside_);
    if (!folder_.empty()) return true;
  }
  why_none_ = own.mount.empty() ? "this machine's kernel counts no memory of control groups"
                                : "no control group can be made in " + own.folder();
  log::warn(
      "{}: the memory of Python functions is limited for each process of a call, and not for all of them "
      "together; start the server as root, or in a control group that is given to it",
      why_none_);
  return false;
}

std::string MemoryGroups::why_none() {
  const std::lock_guard lock(mutex_);
  open();
  return why_none_;
}

// One that nobody is in any more: the end of processes may take longer than the word of it.
std::string MemoryGroups::take(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!open()) return "";
  for (std::size_t i = free_.size(); i-- > 0;) {
    if (free_[i].bytes != bytes || !read_file(free_[i].folder + "/cgroup.procs").empty()) continue;
    std::string folder = std::move(free_[i].folder);
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
    return folder;
  }
  std::string folder = folder_ + "/" + std::to_string(++last_number_);
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return "";
  if (set_limit(folder, bytes)) return folder;
  rmdir(folder.c_str());
  return "";
}

void MemoryGroups::give(Free free) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(free));
  if (free_.size() <= free_max) return;
  rmdir(free_.front().folder.c_str());
  free_.erase(free_.begin());
}

std::shared_ptr<MemoryGroup> MemoryGroups::enter(pid_t child, std::uint64_t bytes) {
  const std::string folder = take(bytes);
  if (folder.empty()) return nullptr;
  if (write_file(folder + "/cgroup.procs", std::to_string(child))) {
    return std::make_shared<MemoryGroup>(shared_from_this(), folder, bytes);
  }
  rmdir(folder.c_str());
  return nullptr;
}

std::shared_ptr<MemoryGroup> MemoryGroups::enter(const Descriptor& handle, std::uint64_t bytes) {
  const pid_t process = process_of(handle);
  if (process == 0) return nullptr;
  auto group = enter(process, bytes);
  if (group == nullptr || process_of(handle) == process) return group;
  // It has ended, and who has its number now does not belong there.
  write_file(outside_ + "/cgroup.procs", std::to_string(process));
  return nullptr;
}

}  // namespace canopy::python
