#pragma once
// Which system calls a process may make, by what it is. Each list is wider than the one before.
//
// Threads: any.

#include <cstdint>
#include <span>
#include <vector>

#include <sched.h>

namespace canopy::wall {

enum class FilterKind : std::uint8_t {
  worker,      // Runs calls, and starts nothing.
  program,     // A server or a node: starts compilers and workers.
  python,      // Also what puts Python functions behind their walls.
  containers,  // Starts containers: runc is given all but what nobody needs.
};

// What programs do: files, sockets, memory, threads, processes of their own. Without clone() and socket(),
// which depend on what is asked for, as do ioctl() and socketpair(), whose rows come before these.
std::span<const int> ordinary_calls();

// Those that are allowed; where it is a deny-list, those that are not. None is there twice.
std::vector<long> calls_of(FilterKind kind);
bool is_deny_list(FilterKind kind);

// Of clone(): each of them makes a namespace.
inline constexpr std::uint32_t new_namespaces =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

}  // namespace canopy::wall
