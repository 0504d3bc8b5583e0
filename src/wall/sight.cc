#include "wall/sight.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace canopy::wall {
namespace {

constexpr std::uint64_t reads_files = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t reads = reads_files | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t writes =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
// To cut files short is of its own, and newer: without it who may read a file may empty it.
constexpr std::uint64_t truncates = std::uint64_t{1} << 14U;
constexpr long truncating_version = 3;

tl::unexpected<Error> no_landlock() {
  return fail(Code::unavailable, std::string("this kernel does not restrict which files a process opens: ") +
                                     std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
}

// The kernel hides files from the thread that asks, and from those that it makes; others see as before.
bool is_only_thread() {
#if __has_feature(thread_sanitizer)
  return true;  // It has one of its own.
#else
  namespace fs = std::filesystem;
  std::error_code error;
  return std::distance(fs::directory_iterator("/proc/self/task", error), fs::directory_iterator()) == 1;
#endif
}

bool allow(const Descriptor& rules, const std::string& path) {
  const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat about{};
  if (!place || fstat(place.get(), &about) != 0) return true;
  const landlock_path_beneath_attr rule{.allowed_access = S_ISDIR(about.st_mode) ? reads : reads_files,
                                        .parent_fd = place.get()};
  return syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

}  // namespace

Result<void> see_only(const std::vector<std::string>& paths) {
  if (!is_only_thread()) {
    return fail(Code::invalid, "other threads of this process would go on seeing all files");
  }
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  landlock_ruleset_attr handled{};
  handled.handled_access_fs = reads | writes | (version >= truncating_version ? truncates : 0);
  const Descriptor rules(static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0)));
  if (!rules) return no_landlock();
  for (const std::string& path : paths) {
    if (!allow(rules, path)) return no_landlock();
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    return no_landlock();
  }
  return {};
}

// Not the folders of TLS as wholes, in which private keys are, too.
std::vector<std::string> system_files() {
  constexpr std::array files = {"/etc/resolv.conf",
                                "/etc/hosts",
                                "/etc/host.conf",
                                "/etc/gai.conf",
                                "/etc/nsswitch.conf",
                                "/etc/services",
                                "/etc/protocols",
                                "/etc/ssl/certs",
                                "/etc/ssl/cert.pem",
                                "/etc/ssl/openssl.cnf",
                                "/etc/ca-certificates",
                                "/etc/pki/ca-trust",
                                "/etc/pki/tls/certs",
                                "/etc/pki/tls/cert.pem",
                                "/etc/pki/tls/openssl.cnf",
                                "/etc/crypto-policies",
                                "/etc/localtime",
                                "/etc/timezone",
                                "/etc/ld.so.cache",
                                "/usr/lib",
                                "/usr/lib64",
                                "/usr/local/lib",
                                "/usr/local/share/ca-certificates",
                                "/lib",
                                "/lib64",
                                "/usr/share",
                                "/proc/self",
                                "/proc/cpuinfo",
                                "/proc/stat",
                                "/proc/meminfo",
                                "/sys/devices/system/cpu",
                                "/dev/null",
                                "/dev/zero",
                                "/dev/urandom",
                                "/dev/random"};
  return {files.begin(), files.end()};
}

}  // namespace canopy::wall
