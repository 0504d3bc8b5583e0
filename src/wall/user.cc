#include "wall/user.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace canopy::wall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t entry_bytes = 16 * 1024;
constexpr int groups_max = 256;
constexpr int capabilities_max = 64;
constexpr auto unchanged = static_cast<uid_t>(-1);  // To the kernel no user, but the one that is.

std::string reason() { return std::strerror(errno); }  // NOLINT(concurrency-mt-unsafe)

std::optional<uid_t> read_number(const std::string& text) {
  uid_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<gid_t> groups_of(const char* name, gid_t own) {
  std::vector<gid_t> groups(groups_max);
  int count = groups_max;
  if (getgrouplist(name, own, groups.data(), &count) < 0) return {own};
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

tl::unexpected<Error> not_of(const fs::path& path, const fs::path& folder, const User& user) {
  return fail(Code::invalid, "--user=" + user.name + ": " + path.string() +
                                 " is not of that user; `chown -R " + std::to_string(user.id) + ":" +
                                 std::to_string(user.group) + " " + folder.string() + "`, then start again");
}

// The data folder itself may be a link; nothing in it is followed.
Result<void> check_owner(const fs::path& folder, const User& user) {
  struct stat about{};
  if (stat(folder.c_str(), &about) != 0) {
    return fail(Code::unavailable, "cannot look at " + folder.string() + ": " + reason());
  }
  if (about.st_uid != user.id) return not_of(folder, folder, user);
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error); !error && entry != end(entry);
       entry.increment(error)) {
    if (lstat(entry->path().c_str(), &about) == 0 && about.st_uid != user.id) {
      return not_of(entry->path(), folder, user);
    }
  }
  if (!error) return {};
  return fail(Code::unavailable, "cannot look at all of " + folder.string() + ": " + error.message() +
                                     "; start it as the user " + user.name + " itself");
}

// Whoever owns the folder around may put anything in its place meanwhile, or a link: what is given away is a
// folder of root's with nothing in it, looked at and handed over by its descriptor.
bool make_for(const fs::path& folder, const User& user) {
  const Descriptor around(open(folder.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string name = folder.filename().string();
  if (!around || mkdirat(around.get(), name.c_str(), 0700) != 0) return false;
  const Descriptor made(openat(around.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat about{};
  if (!made || fstat(made.get(), &about) != 0) return false;
  std::error_code error;
  const bool is_empty = fs::is_empty("/proc/self/fd/" + std::to_string(made.get()), error);
  if (about.st_uid != 0 || (about.st_mode & 07777U) != 0700 || !is_empty || error) {
    errno = EEXIST;
    return false;
  }
  return fchown(made.get(), user.id, user.group) == 0;
}

bool set_capabilities(std::uint32_t low) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  data[0].permitted = data[0].effective = low;
  return syscall(SYS_capset, &header, data.data()) == 0;
}

}  // namespace

Result<User> find_user(const std::string& name) {
  std::array<char, entry_bytes> text{};
  passwd entry{};
  passwd* found = nullptr;
  const auto number = read_number(name);
  if (number) {
    getpwuid_r(*number, &entry, text.data(), text.size(), &found);
  } else {
    getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found);
  }
  if (found == nullptr && !number) {
    return fail(Code::invalid, "--user=" + name + ": this machine has no such user; `useradd --system " +
                                   name + "` makes one");
  }
  User user{.name = name, .id = number.value_or(0), .group = number.value_or(0)};
  if (found != nullptr) {
    user = {.name = found->pw_name, .id = found->pw_uid, .group = found->pw_gid};
    user.groups = groups_of(found->pw_name, user.group);
  }
  if (user.id == 0) return fail(Code::invalid, "--user=" + name + " is root: name one that may less");
  if (user.id == unchanged || user.group == unchanged) {
    return fail(Code::invalid, "--user=" + name + ": the kernel has no user of that number; name another");
  }
  if (user.group == 0) {
    return fail(Code::invalid,
                "--user=" + name + " is in the group of root; name one with a group of its own");
  }
  std::erase(user.groups, gid_t{0});
  return user;
}

Result<void> prepare_folder(const fs::path& path, const User& user) {
  const fs::path folder = path.has_filename() ? path : path.parent_path();
  std::error_code error;
  if (fs::exists(folder, error)) return check_owner(folder, user);
  fs::create_directories(folder.parent_path(), error);
  if (make_for(folder, user)) return {};
  return fail(Code::unavailable,
              "cannot make the folder " + folder.string() + " for the user " + user.name + ": " + reason());
}

Result<void> become(const User& user, bool keeps_low_ports) {
  if (geteuid() != 0) {
    if (geteuid() == user.id) return {};
    return fail(
        Code::invalid,
        "--user=" + user.name + " takes a start as root, or as that user; leave it out to stay who you are");
  }
  const auto refused = [&user] {
    return fail(Code::unavailable, "cannot become the user " + user.name + ": " + reason());
  };
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // Ends with the first that the kernel does not know.
  for (int i = 0; i < capabilities_max && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; ++i) continue;
  if (keeps_low_ports && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return refused();
  if (setgroups(user.groups.size(), user.groups.data()) != 0 ||
      setresgid(user.group, user.group, user.group) != 0 || setresuid(user.id, user.id, user.id) != 0) {
    return refused();
  }
  constexpr std::uint32_t low_ports = 1U << CAP_NET_BIND_SERVICE;
  if (!set_capabilities(keeps_low_ports ? low_ports : 0)) return refused();
  // Its files in /proc are its own again: the engine asks there which pages a call wrote.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  return {};
}

std::uint16_t first_free_port() {
  std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  std::uint16_t port = 1024;
  file >> port;
  return port;
}

}  // namespace canopy::wall
