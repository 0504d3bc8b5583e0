#include "wall/filter.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace canopy::wall {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif
constexpr std::uint32_t first_new_call = 425;  // From io_uring on, all architectures count alike.

constexpr std::uint32_t failing_with(int error) {
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
sock_filter if_number(long number, std::uint8_t skipped) {
  return if_equal(static_cast<std::uint32_t>(number), skipped);
}

}  // namespace

Filter::Filter() {
  add(load(offsetof(seccomp_data, arch)));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0));
  add(end(SECCOMP_RET_KILL_PROCESS));
  add(load(offsetof(seccomp_data, nr)));
#if defined(__x86_64__)  // The same calls under other numbers.
  constexpr std::uint32_t other_numbers = 0x4000'0000;
  add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, other_numbers, 0, 1));
  add(end(failing_with(EPERM)));
#endif
}

void Filter::allow(long number) {
  add(if_number(number, 1));
  add(end(SECCOMP_RET_ALLOW));
}

void Filter::refuse(long number, int error) {
  add(if_number(number, 1));
  add(end(failing_with(error)));
}

void Filter::allow_without(long number, std::size_t argument, std::uint32_t bits) {
  add(if_number(number, 4));
  add(load_argument(argument));
  add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
  add(end(failing_with(EPERM)));
  add(end(SECCOMP_RET_ALLOW));
}

void Filter::allow_with(long number, std::size_t argument, std::uint32_t bits) {
  add(if_number(number, 4));
  add(load_argument(argument));
  add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0));
  add(end(failing_with(EPERM)));
  add(end(SECCOMP_RET_ALLOW));
}

// Afterwards the number is what is compared again.
void Filter::refuse_with(long number, std::size_t argument, std::uint32_t bits) {
  add(if_number(number, 4));
  add(load_argument(argument));
  add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
  add(end(failing_with(EPERM)));
  add(load(offsetof(seccomp_data, nr)));
}

void Filter::refuse_for(long number, std::size_t argument, std::uint32_t value) {
  add(if_number(number, 4));
  add(load_argument(argument));
  add(if_equal(value, 1));
  add(end(failing_with(EPERM)));
  add(load(offsetof(seccomp_data, nr)));
}

void Filter::allow_for(long number, std::span<const std::uint32_t> values, int error) {
  add(if_number(number, static_cast<std::uint8_t>(2 + 2 * values.size())));
  add(load_argument(0));
  for (const std::uint32_t value : values) {
    add(if_equal(value, 1));
    add(end(SECCOMP_RET_ALLOW));
  }
  add(end(failing_with(error)));
}

void Filter::allow_for_both(long number, std::uint32_t first, std::uint32_t third) {
  add(if_number(number, 6));
  add(load_argument(0));
  add(if_equal(first, 3));
  add(load_argument(2));
  add(if_equal(third, 1));
  add(end(SECCOMP_RET_ALLOW));
  add(load(offsetof(seccomp_data, nr)));
}

void Filter::refuse_typing() {
  for (const int request : {TIOCSTI, TIOCLINUX}) {
    refuse_for(SYS_ioctl, 1, static_cast<std::uint32_t>(request));
  }
}

void Filter::allow_pairs() {
  constexpr std::array<std::uint32_t, 1> families = {AF_UNIX};
  allow_for(SYS_socketpair, families, EAFNOSUPPORT);
}

std::string Filter::finish_allow_list() {
  add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_new_call, 0, 1));
  add(end(failing_with(ENOSYS)));
  add(end(failing_with(EPERM)));
  return bytes();
}

std::string Filter::finish_deny_list() {
  add(end(SECCOMP_RET_ALLOW));
  return bytes();
}

std::string Filter::bytes() const {
  return {reinterpret_cast<const char*>(parts_.data()), parts_.size() * sizeof(sock_filter)};
}

Result<void> install(const std::string& filter) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail(Code::unavailable, "this process cannot give up getting new privileges");
  }
  std::vector<sock_filter> parts(filter.size() / sizeof(sock_filter));
  filter.copy(reinterpret_cast<char*>(parts.data()), parts.size() * sizeof(sock_filter));
  const sock_fprog program{.len = static_cast<unsigned short>(parts.size()), .filter = parts.data()};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0) return {};
  return fail(Code::unavailable, std::string("this kernel takes no filter of system calls: ") +
                                     std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace canopy::wall
