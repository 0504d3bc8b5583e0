#include "wall/confine.h"

#include <array>
#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wall/filter.h"

namespace canopy::wall {
namespace {

constexpr std::array<std::uint32_t, 3> socket_families = {AF_INET, AF_INET6, AF_UNIX};
// A worker has the server's user: by the socket of Docker, say, it would be root. It inherits its own.
constexpr std::array<std::uint32_t, 2> socket_families_of_worker = {AF_INET, AF_INET6};

// A process has one, as it has one kernel.
std::atomic<int> installed = -1;  // A FilterKind.

void restrict_to_itself(Filter& filter) {
  const auto own = static_cast<std::uint32_t>(getpid());
  const std::array<std::uint32_t, 1> itself = {own};
  const std::array<std::uint32_t, 2> itself_or_none = {0, own};
  filter.allow_for(SYS_tgkill, itself, EPERM);  // By which abort() ends it.
  filter.allow_for(SYS_prlimit64, itself_or_none, EPERM);
  filter.refuse_with(SYS_clone, 0, new_namespaces);  // Threads may have some of their own.
  filter.allow_with(SYS_clone, 0, CLONE_THREAD);
}

// Of calls that are allowed else, and before they are. Whoever has the terminal that the server was started
// at could type there, and once the server has ended its owner's shell reads it.
void refuse_parts(Filter& filter, FilterKind kind) {
  filter.refuse_typing();
  if (kind != FilterKind::worker) return;
  // What Landlock of Linux before 6.2 lets pass: to empty what may be read.
  filter.refuse_with(SYS_openat, 2, O_TRUNC);
#if defined(__x86_64__)
  filter.refuse_with(SYS_open, 1, O_TRUNC);
#endif
}

}  // namespace

std::string filter_of(FilterKind kind) {
  Filter filter;
  refuse_parts(filter, kind);
  if (is_deny_list(kind)) {
    for (const long number : calls_of(kind)) filter.refuse(number, EPERM);
    return filter.finish_deny_list();
  }
  if (kind != FilterKind::worker) filter.allow_pairs();
  for (const long number : calls_of(kind)) filter.allow(number);
  // The C library then asks by clone(), whose flags can be seen.
  filter.refuse(SYS_clone3, ENOSYS);
  // How it asks which addresses this machine has, before it looks up a name.
  filter.allow_for_both(SYS_socket, AF_NETLINK, NETLINK_ROUTE);
  if (kind == FilterKind::worker) {
    restrict_to_itself(filter);
    filter.allow_for(SYS_socket, socket_families_of_worker, EAFNOSUPPORT);
  } else {
    filter.allow_without(SYS_clone, 0, new_namespaces);
    filter.allow_for(SYS_socket, socket_families, EAFNOSUPPORT);
  }
  return filter.finish_allow_list();
}

std::string describe(FilterKind kind) {
  const std::size_t count = calls_of(kind).size();
  return (is_deny_list(kind) ? "deny-list of " : "allow-list of ") + std::to_string(count) + " calls";
}

Result<void> confine(FilterKind kind) {
  CANOPY_TRY_VOID(install(filter_of(kind)));
  installed = static_cast<int>(kind);
  return {};
}

std::string own_filter() {
  const int kind = installed;
  return kind < 0 ? "" : describe(static_cast<FilterKind>(kind));
}

}  // namespace canopy::wall
