#include "worker/confine.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace canopy::worker {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif

// What a worker never does: start programs and processes, look into, end or slow down other processes, mount,
// make devices, load code into the kernel, change its identity, its namespaces or the machine.
constexpr std::array denied = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_process_madvise,
    SYS_userfaultfd,
    SYS_kill,  // To end itself, abort() takes tgkill(): see make_filter().
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
    SYS_sched_setaffinity,
    SYS_sched_setscheduler,
    SYS_sched_setparam,
    SYS_sched_setattr,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_mknodat,
    SYS_mount,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_acct,
    SYS_quotactl,
    SYS_syslog,
    SYS_personality,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
    SYS_fanotify_init,
    SYS_name_to_handle_at,
};

constexpr std::uint32_t refuse_with(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(error) & SECCOMP_RET_DATA);
}

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter end(std::uint32_t verdict) { return BPF_STMT(BPF_RET | BPF_K, verdict); }
// Goes on where they are the same, else leaves out the next `skipped`.
sock_filter if_equal(std::uint32_t value, std::uint8_t skipped) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped);
}

// The lower half of a call's first argument, which holds all of what is compared here.
sock_filter load_first_argument() { return load(offsetof(seccomp_data, args)); }

// `number` only where its first argument is one of `first` and `second`: this process.
void allow_for(long number, std::uint32_t first, std::uint32_t second, std::vector<sock_filter>& filter) {
  filter.push_back(if_equal(static_cast<std::uint32_t>(number), 5));
  filter.push_back(load_first_argument());
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first, 1, 0));
  filter.push_back(if_equal(second, 1));
  filter.push_back(end(SECCOMP_RET_ALLOW));
  filter.push_back(end(refuse_with(EPERM)));
}

std::vector<sock_filter> make_filter() {
  std::vector<sock_filter> filter;
  filter.push_back(load(offsetof(seccomp_data, arch)));
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0));
  filter.push_back(end(SECCOMP_RET_KILL_PROCESS));
  filter.push_back(load(offsetof(seccomp_data, nr)));
#if defined(__x86_64__)  // The same calls under other numbers.
  constexpr std::uint32_t other_numbers = 0x4000'0000;
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, other_numbers, 0, 1));
  filter.push_back(end(refuse_with(EPERM)));
#endif
  for (const long number : denied) {
    filter.push_back(if_equal(static_cast<std::uint32_t>(number), 1));
    filter.push_back(end(refuse_with(EPERM)));
  }
#ifdef SYS_mknod
  filter.push_back(if_equal(SYS_mknod, 1));
  filter.push_back(end(refuse_with(EPERM)));
#endif
  const auto own = static_cast<std::uint32_t>(getpid());
  allow_for(SYS_tgkill, own, own, filter);
  allow_for(SYS_prlimit64, 0, own, filter);
  // The C library then asks for a thread by clone(), whose flags can be seen.
  filter.push_back(if_equal(SYS_clone3, 1));
  filter.push_back(end(refuse_with(ENOSYS)));
#ifdef SYS_fork
  filter.push_back(if_equal(SYS_fork, 1));
  filter.push_back(end(refuse_with(EPERM)));
  filter.push_back(if_equal(SYS_vfork, 1));
  filter.push_back(end(refuse_with(EPERM)));
#endif
  filter.push_back(if_equal(SYS_clone, 3));
  filter.push_back(load_first_argument());
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
  filter.push_back(end(refuse_with(EPERM)));
  filter.push_back(end(SECCOMP_RET_ALLOW));
  return filter;
}

}  // namespace

Result<void> confine() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail(Code::unavailable, "a worker cannot give up getting new privileges");
  }
  std::vector<sock_filter> filter = make_filter();
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
    return fail(Code::unavailable, "this kernel takes no filter of system calls; workers run without one");
  }
  return {};
}

}  // namespace canopy::worker
