#include "python/filter.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace canopy::python {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif
constexpr std::uint32_t first_new_call = 425;  // From io_uring on, all architectures count alike.

// Those that all architectures have.
constexpr std::array allowed = {
    // Files
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_openat,
    SYS_close,
    SYS_close_range,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getdents64,
    SYS_getcwd,
    SYS_chdir,
    SYS_fchdir,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat2,
    SYS_linkat,
    SYS_symlinkat,
    SYS_readlinkat,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_utimensat,
    SYS_truncate,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_flock,
    SYS_fcntl,
    SYS_ioctl,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_sendfile,
    SYS_copy_file_range,
    SYS_splice,
    SYS_tee,
    SYS_fadvise64,
    SYS_umask,
    SYS_mknodat,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_fgetxattr,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_flistxattr,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_sync_file_range,
    SYS_openat2,
    // Memory
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_msync,
    SYS_mincore,
    SYS_brk,
    SYS_get_mempolicy,
    SYS_membarrier,
    SYS_rseq,
    // Time
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_times,
    SYS_getitimer,
    SYS_setitimer,
    SYS_timer_create,
    SYS_timer_settime,
    SYS_timer_gettime,
    SYS_timer_delete,
    SYS_timer_getoverrun,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    // Waiting
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_futex,
    SYS_futex_waitv,
    SYS_restart_syscall,
    SYS_sched_yield,
    // Processes and threads
    SYS_execve,
    SYS_exit,
    SYS_exit_group,
    SYS_wait4,
    SYS_waitid,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getpgid,
    SYS_setpgid,
    SYS_getsid,
    SYS_setsid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getrusage,
    SYS_prlimit64,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_prctl,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_sigaltstack,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_rr_get_interval,
    SYS_getpriority,
    SYS_setpriority,
    SYS_capget,
    SYS_getcpu,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrandom,
    // Sockets; socket() itself below
    SYS_socketpair,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_connect,
    SYS_getsockname,
    SYS_getpeername,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_shutdown,
#if defined(__x86_64__)  // Older names of the same.
    SYS_open,
    SYS_creat,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_pipe,
    SYS_dup2,
    SYS_select,
    SYS_poll,
    SYS_getdents,
    SYS_rename,
    SYS_renameat,
    SYS_mkdir,
    SYS_rmdir,
    SYS_link,
    SYS_unlink,
    SYS_symlink,
    SYS_readlink,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_alarm,
    SYS_pause,
    SYS_time,
    SYS_getpgrp,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_signalfd,
    SYS_inotify_init,
    SYS_arch_prctl,
    SYS_fork,
    SYS_vfork,
    SYS_mknod,
#endif
};

constexpr std::array zygote_too = {SYS_unshare, SYS_setns, SYS_seccomp, SYS_capset};

constexpr std::array socket_families = {AF_UNIX, AF_INET, AF_INET6};
constexpr std::uint32_t new_spaces =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
// Of mount(): a warmed process makes new mounts, and changes or moves none.
constexpr std::uint32_t changes_mounts =
    MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

constexpr std::uint32_t refuse_with(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(error) & SECCOMP_RET_DATA);
}
sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter load_argument(std::size_t index) {
  return load(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}
sock_filter end(std::uint32_t verdict) { return BPF_STMT(BPF_RET | BPF_K, verdict); }
// Goes on where they are the same, else leaves out the next `skipped`.
sock_filter if_equal(std::uint32_t value, std::uint8_t skipped) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped);
}

class Writer {
 public:
  void begin() {
    add(load(offsetof(seccomp_data, arch)));
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0));
    add(end(SECCOMP_RET_KILL_PROCESS));
    add(load(offsetof(seccomp_data, nr)));
#if defined(__x86_64__)  // The same calls under other numbers.
    constexpr std::uint32_t other_numbers = 0x4000'0000;
    add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, other_numbers, 0, 1));
    add(end(refuse_with(EPERM)));
#endif
  }
  void allow(long number) {
    add(if_equal(static_cast<std::uint32_t>(number), 1));
    add(end(SECCOMP_RET_ALLOW));
  }
  void refuse(long number, int error) {
    add(if_equal(static_cast<std::uint32_t>(number), 1));
    add(end(refuse_with(error)));
  }
  // Where none of `bits` is set in an argument.
  void allow_without(long number, std::size_t argument, std::uint32_t bits) {
    add(if_equal(static_cast<std::uint32_t>(number), 4));
    add(load_argument(argument));
    add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    add(end(refuse_with(EPERM)));
    add(end(SECCOMP_RET_ALLOW));
  }
  void allow_sockets() {
    constexpr auto length = static_cast<std::uint8_t>(2 + 2 * socket_families.size());
    add(if_equal(static_cast<std::uint32_t>(SYS_socket), length));
    add(load_argument(0));
    for (const int family : socket_families) allow(family);
    add(end(refuse_with(EAFNOSUPPORT)));
  }
  std::string finish() {
    add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_new_call, 0, 1));
    add(end(refuse_with(ENOSYS)));
    add(end(refuse_with(EPERM)));
    return {reinterpret_cast<const char*>(filter_.data()), filter_.size() * sizeof(sock_filter)};
  }

 private:
  void add(sock_filter part) { filter_.push_back(part); }
  std::vector<sock_filter> filter_;
};

}  // namespace

std::string make_filter(FilterKind kind) {
  Writer writer;
  writer.begin();
  // What threads are made with, and what is most often called, comes first.
  for (const long number : allowed) writer.allow(number);
  if (kind == FilterKind::zygote) {
    for (const long number : zygote_too) writer.allow(number);
    writer.allow_without(SYS_mount, 3, changes_mounts);
  }
  // The C library then asks by clone(), whose flags can be seen.
  writer.refuse(SYS_clone3, ENOSYS);
  writer.allow_without(SYS_clone, 0, new_spaces);
  writer.allow_sockets();
  return writer.finish();
}

}  // namespace canopy::python
