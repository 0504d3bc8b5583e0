#include "python/filter.h"

#include <array>
#include <cerrno>
#include <cstdint>

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "wall/filter.h"
#include "wall/system_calls.h"

namespace canopy::python {
namespace {

constexpr std::array zygote_too = {SYS_unshare, SYS_setns, SYS_seccomp, SYS_capset};

constexpr std::array<std::uint32_t, 3> socket_families = {AF_UNIX, AF_INET, AF_INET6};
// Of mount(): a warmed process makes new mounts, and changes or moves none.
constexpr std::uint32_t changes_mounts =
    MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

}  // namespace

std::string make_filter(FilterKind kind) {
  wall::Filter filter;
  filter.refuse_typing();
  filter.allow_pairs();
  for (const long number : wall::ordinary_calls()) filter.allow(number);
  if (kind == FilterKind::zygote) {
    for (const long number : zygote_too) filter.allow(number);
    filter.allow_without(SYS_mount, 3, changes_mounts);
  }
  // The C library then asks by clone(), whose flags can be seen.
  filter.refuse(SYS_clone3, ENOSYS);
  filter.allow_without(SYS_clone, 0, wall::new_namespaces);
  filter.allow_for(SYS_socket, socket_families, EAFNOSUPPORT);
  return filter.finish_allow_list();
}

}  // namespace canopy::python
