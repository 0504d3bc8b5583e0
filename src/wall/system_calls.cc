#include "wall/system_calls.h"

#include <algorithm>
#include <array>

#include <sys/syscall.h>

namespace canopy::wall {
namespace {

// Those that all architectures have, then older names of the same.
constexpr std::array ordinary = {
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
    SYS_renameat,
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
    // Sockets; socket() itself depends on what is asked for
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

// Of a server and a node besides: memory that is mapped twice or kept from the disk, keys of pages,
// attributes of files, and what puts a child behind walls of its own.
constexpr std::array program_too = {
    SYS_memfd_create,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_pkey_mprotect,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_setxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_fremovexattr,
    SYS_sync,
    SYS_syncfs,
    SYS_readahead,
    SYS_execveat,
    SYS_seccomp,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    SYS_ptrace,       // By which they look for leaks,
    SYS_personality,  // and have addresses where they need them.
#endif
};

// Of those, what a worker never does, which starts nothing and keeps its hands off all other processes.
constexpr std::array never_of_workers = {
    SYS_execve,
    SYS_execveat,
    SYS_wait4,
    SYS_waitid,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,     // But to itself: see filter_of().
    SYS_prlimit64,  // Likewise.
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_setpgid,
    SYS_setsid,
    SYS_sched_setaffinity,
    SYS_setpriority,
    SYS_mknodat,
    // Files that it cannot open are still the server's to change, and Landlock has no word on these.
    SYS_truncate,
    SYS_openat2,  // By which files are emptied, too, and how a filter does not see.
    SYS_fchmod,
    SYS_fchmodat,
    SYS_mkdirat,  // But for its times: what was compiled and is in use is not swept.
    SYS_unlinkat,
    SYS_renameat2,
    SYS_linkat,
    SYS_symlinkat,
    SYS_inotify_add_watch,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_fremovexattr,
    SYS_socketpair,
    SYS_seccomp,
#if defined(__x86_64__)
    SYS_fork,
    SYS_vfork,
    SYS_mknod,
    SYS_creat,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
    SYS_link,
    SYS_symlink,
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    SYS_ptrace,
    SYS_personality,
#endif
};

// What it takes to put Python functions behind their walls: namespaces, mounts, another user.
constexpr std::array python_too = {
    SYS_unshare,   SYS_setns,      SYS_capset,      SYS_mount,     SYS_mount_setattr,
    SYS_umount2,   SYS_pivot_root, SYS_sethostname, SYS_setgroups, SYS_setresuid,
    SYS_setresgid, SYS_setuid,     SYS_setgid,
};

// What not even a program that starts containers needs: to change the kernel, the machine and its clock, to
// look into other processes, and interfaces through which kernels were broken into.
constexpr std::array never_of_containers = {
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_syslog,
    SYS_vhangup,
    SYS_lookup_dcookie,
    SYS_nfsservctl,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_add_key,
    SYS_request_key,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
#endif
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
    SYS_ptrace,
#endif
};

std::vector<long> joined(std::initializer_list<std::span<const int>> parts) {
  std::vector<long> all;
  for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

std::span<const int> ordinary_calls() { return ordinary; }

std::vector<long> calls_of(FilterKind kind) {
  switch (kind) {
    case FilterKind::worker: {
      std::vector<long> all = joined({ordinary, program_too});
      std::erase_if(all, [](long number) {
        return std::ranges::find(never_of_workers, number) != never_of_workers.end();
      });
      return all;
    }
    case FilterKind::program:
      return joined({ordinary, program_too});
    case FilterKind::python:
      return joined({ordinary, program_too, python_too});
    case FilterKind::containers:
      return joined({never_of_containers});
  }
  return {};
}

bool is_deny_list(FilterKind kind) { return kind == FilterKind::containers; }

}  // namespace canopy::wall
