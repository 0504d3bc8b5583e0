#pragma once
// Which system calls the processes of Python functions may make: allow-lists. What is not on them is refused,
// with EPERM; what is newer than they are, with ENOSYS, so that libraries do it another way.

#include <string>

namespace canopy::python {

enum class FilterKind {
  call,    // What programs do: files, sockets, memory, threads, processes of their own.
  zygote,  // Also what it takes to put a call behind its walls.
};

// A program for seccomp, as bytes: so many `sock_filter`.
std::string make_filter(FilterKind kind);

}  // namespace canopy::python
