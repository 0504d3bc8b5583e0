#include "python/sandbox.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/units.h"
#include "python/program.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;

constexpr unsigned nobody = 65534;
// It also bounds how many descriptors all processes of its user may have on their way through sockets before
// this one can send none. Those of calls are refused at their own bound, which is 4096 at the most.
constexpr rlim_t zygote_files_max = 16'384;
constexpr const char* new_root = "/tmp";
constexpr const char* staging = "/mnt";  // Where root lays out what the unprivileged user could not reach.

constexpr std::array<std::string_view, 7> system_folders = {"/usr",   "/bin",   "/sbin",  "/lib",
                                                            "/lib32", "/lib64", "/libx32"};
// Of /etc/ssl not the whole: beside certificates lie keys, which the server's user or a group of it may read.
constexpr std::array<std::string_view, 9> etc_files = {
    "/etc/ld.so.cache",  "/etc/localtime",    "/etc/timezone",
    "/etc/ssl/certs",    "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf",
    "/etc/alternatives", "/etc/mime.types",   "/etc/ca-certificates"};
constexpr std::array<std::string_view, 6> network_files = {"/etc/resolv.conf",   "/etc/hosts",
                                                           "/etc/nsswitch.conf", "/etc/services",
                                                           "/etc/protocols",     "/etc/gai.conf"};
constexpr std::array<std::string_view, 5> devices = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                                     "/dev/urandom"};

tl::unexpected<Error> broken(std::string_view what) {
  const int number = errno;
  return fail(Code::unavailable, "Python functions cannot be run in isolation here: " + std::string(what) +
                                     ": " + std::strerror(number));  // NOLINT(concurrency-mt-unsafe)
}

Result<void> mount_at(const char* source, const std::string& target, const char* type, unsigned long flags,
                      const char* data) {
  if (mount(source, target.c_str(), type, flags, data) == 0) return {};
  return broken("mounting " + target);
}

Result<void> write_proc(const char* path, const std::string& text) {
  const Descriptor file(open(path, O_WRONLY | O_CLOEXEC));
  if (file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
  return broken(std::string("writing ") + path);
}

// What is bound into the new root.
struct Source {
  std::string target;  // Below it.
  Descriptor place;    // O_PATH.
};

Result<void> make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(Code::unavailable, "cannot make " + path + ": " + error.message());
  return {};
}

Result<void> bind_to(const Descriptor& place, const std::string& target) {
  struct stat about{};
  if (fstat(place.get(), &about) != 0) return broken("looking at " + target);
  if (S_ISDIR(about.st_mode)) {
    CANOPY_TRY_VOID(make_folders(target));
  } else {
    CANOPY_TRY_VOID(make_folders(fs::path(target).parent_path().string()));
    const Descriptor made(open(target.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
    if (!made) return broken("making " + target);
  }
  const std::string from = "/proc/self/fd/" + std::to_string(place.get());
  return mount_at(from.c_str(), target, nullptr, MS_BIND | MS_REC, nullptr);
}

std::optional<Source> look_at(const fs::path& path, std::string_view target) {
  Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place) return std::nullopt;
  return Source{.target = std::string(target), .place = std::move(place)};
}

// As root: a mount namespace in which `folders` lie where the unprivileged user finds them, and then that
// user. The folders are renamed in `plan`.
Result<void> become_nobody(SandboxPlan& plan) {
  if (unshare(CLONE_NEWNS) != 0) return broken("a mount namespace");
  CANOPY_TRY_VOID(mount_at(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  std::vector<std::pair<fs::path*, Source>> sources;
  std::vector<fs::path*> paths = {&plan.function, &plan.site, &plan.prefix};
  for (fs::path& path : plan.path) paths.push_back(&path);
  for (fs::path* const path : paths) {
    if (path->empty()) continue;
    auto source = look_at(*path, staging + ("/" + std::to_string(sources.size())));
    if (!source) return broken("opening " + path->string());
    sources.emplace_back(path, *std::move(source));
  }
  CANOPY_TRY_VOID(mount_at("tmpfs", staging, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k"));
  for (auto& [path, source] : sources) {
    CANOPY_TRY_VOID(bind_to(source.place, source.target));
    if (path != &plan.prefix) *path = source.target;
  }
  if (plan.writable_site && chown(plan.site.c_str(), nobody, nobody) != 0) return broken("giving away /site");
  if (setgroups(0, nullptr) != 0 || setresgid(nobody, nobody, nobody) != 0 ||
      setresuid(nobody, nobody, nobody) != 0) {
    return broken("giving up the rights of root");
  }
  return {};
}

// The number under which the prefix was laid out, or the prefix itself.
fs::path prefix_source(const SandboxPlan& plan, bool staged) {
  if (!staged) return plan.prefix;
  return fs::path(staging) / (plan.site.empty() ? "1" : "2");
}

Result<void> add_systems(std::vector<Source>& sources) {
  for (const std::string_view folder : system_folders) {
    std::error_code error;
    if (fs::is_symlink(fs::path(folder), error)) continue;
    if (auto source = look_at(fs::path(folder), folder)) sources.push_back(*std::move(source));
  }
  return {};
}

// Those that are links outside are links inside.
Result<void> link_systems() {
  for (const std::string_view folder : system_folders) {
    std::error_code error;
    if (!fs::is_symlink(fs::path(folder), error)) continue;
    const fs::path to = fs::read_symlink(fs::path(folder), error);
    fs::create_symlink(to, new_root + std::string(folder), error);
    if (error) return fail(Code::unavailable, "cannot make " + std::string(folder) + ": " + error.message());
  }
  return {};
}

Result<void> write_text(const std::string& path, std::string_view text) {
  CANOPY_TRY_VOID(make_folders(fs::path(path).parent_path().string()));
  const Descriptor file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
  if (file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
  return broken("writing " + path);
}

Result<void> write_own_files() {
  const std::string root = new_root;
  CANOPY_TRY_VOID(write_text(root + "/canopy/zygote.py", zygote_program()));
  CANOPY_TRY_VOID(write_text(root + "/canopy/serialised.py", serialised_program()));
  CANOPY_TRY_VOID(write_text(root + "/etc/passwd",
                             "root:x:0:0:root:/tmp:/bin/sh\nfunction:x:1000:1000:function:/tmp:/bin/sh\n"));
  CANOPY_TRY_VOID(write_text(root + "/etc/group", "root:x:0:\nfunction:x:1000:\n"));
  std::error_code error;
  fs::create_symlink("/proc/self/fd", root + "/dev/fd", error);
  if (!error) fs::create_symlink("/tmp", root + "/dev/shm", error);
  if (error) return fail(Code::unavailable, "cannot make /dev: " + error.message());
  for (const char* const folder : {"/proc", "/tmp", "/function", "/site"}) {
    CANOPY_TRY_VOID(make_folders(root + folder));
  }
  return {};
}

Result<void> make_readonly(const SandboxPlan& plan) {
  mount_attr wanted{};
  wanted.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  if (syscall(SYS_mount_setattr, AT_FDCWD, new_root, AT_RECURSIVE, &wanted, sizeof wanted) != 0) {
    return broken("a read-only file system (Linux 5.12 or later is needed)");
  }
  if (!plan.writable_site) return {};
  mount_attr writable{};
  writable.attr_clr = MOUNT_ATTR_RDONLY;
  const std::string site = std::string(new_root) + "/site";
  if (syscall(SYS_mount_setattr, AT_FDCWD, site.c_str(), 0, &writable, sizeof writable) != 0) {
    return broken("a folder to install to");
  }
  return {};
}

// In the new namespaces, as their process 1.
Result<void> build_root(const SandboxPlan& plan, bool staged) {
  CANOPY_TRY_VOID(mount_at(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  std::vector<Source> sources;
  CANOPY_TRY_VOID(add_systems(sources));
  const auto add = [&sources](std::string_view path) {
    if (auto source = look_at(fs::path(path), path)) sources.push_back(*std::move(source));
  };
  for (const std::string_view path : etc_files) add(path);
  for (const std::string_view path : devices) add(path);
  if (plan.network) {
    for (const std::string_view path : network_files) add(path);
  }
  if (const std::string prefix = plan.prefix.string(); prefix != "/usr" && !prefix.starts_with("/usr/")) {
    if (auto source = look_at(prefix_source(plan, staged), prefix)) sources.push_back(*std::move(source));
  }
  auto function = look_at(plan.function, "/function");
  if (!function) return broken("opening the function's folder");
  sources.push_back(*std::move(function));
  if (!plan.site.empty()) {
    auto site = look_at(plan.site, "/site");
    if (!site) return broken("opening the function's packages");
    sources.push_back(*std::move(site));
  }
  for (std::size_t i = 0; i < plan.path.size(); ++i) {
    auto folder = look_at(plan.path[i], "/path/" + std::to_string(i));
    if (!folder) return broken("opening " + plan.path[i].string() + ", which 'python-path' names");
    sources.push_back(*std::move(folder));
  }
  CANOPY_TRY_VOID(mount_at("tmpfs", new_root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m"));
  for (const Source& source : sources) CANOPY_TRY_VOID(bind_to(source.place, new_root + source.target));
  CANOPY_TRY_VOID(link_systems());
  CANOPY_TRY_VOID(write_own_files());
  CANOPY_TRY_VOID(make_readonly(plan));
  const std::string root = new_root;
  CANOPY_TRY_VOID(mount_at("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr));
  CANOPY_TRY_VOID(mount_at("tmpfs", root + "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m"));
  if (chdir(new_root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
      chdir("/") != 0) {
    return broken("a root of its own");
  }
  return {};
}

Result<void> limit(__rlimit_resource resource, rlim_t value) {
  rlimit now{};
  getrlimit(resource, &now);
  const rlim_t most = std::min(value, now.rlim_max);
  const rlimit wanted{most, most};
  if (setrlimit(resource, &wanted) != 0) return broken("setting limits");
  return {};
}

Result<void> limit_self(const SandboxPlan& plan) {
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  // Their shadows are terabytes, and this process still has them until it becomes Python.
  CANOPY_TRY_VOID(limit(RLIMIT_AS, plan.memory_bytes));
#endif
  CANOPY_TRY_VOID(limit(RLIMIT_NPROC, plan.processes));
  CANOPY_TRY_VOID(limit(RLIMIT_CORE, 0));
  CANOPY_TRY_VOID(limit(RLIMIT_NOFILE, zygote_files_max));
  return limit(RLIMIT_MSGQUEUE, 0);
}

}  // namespace

bool tie_to_parent(long parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  return getppid() == parent;  // It may have died before.
}

Result<void> enter_sandbox(const SandboxPlan& original) {
  SandboxPlan plan = original;
  const long parent = getppid();
  const bool staged = geteuid() == 0;
  if (staged) CANOPY_TRY_VOID(become_nobody(plan));
  const unsigned user = geteuid();
  const unsigned group = getegid();
  prctl(PR_SET_DUMPABLE, 1);  // So that its files in /proc are its own.
  if (!tie_to_parent(parent)) return fail(Code::canceled, "the server is gone");
  const int spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                     (plan.network ? 0 : CLONE_NEWNET);
  if (unshare(spaces) != 0) {
    return broken(
        "the kernel allows no user namespaces (sysctl user.max_user_namespaces, or "
        "kernel.unprivileged_userns_clone)");
  }
  CANOPY_TRY_VOID(write_proc("/proc/self/setgroups", "deny"));
  CANOPY_TRY_VOID(write_proc("/proc/self/uid_map", "0 " + std::to_string(user) + " 1"));
  CANOPY_TRY_VOID(write_proc("/proc/self/gid_map", "0 " + std::to_string(group) + " 1"));
  const pid_t child = fork();
  if (child < 0) return broken("a process");
  if (child > 0) {
    closefrom(3);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  CANOPY_TRY_VOID(build_root(plan, staged));
  if (sethostname("function", 8) != 0) return broken("a host name");
  CANOPY_TRY_VOID(limit_self(plan));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return broken("no new privileges");
  return {};
}

}  // namespace canopy::python
