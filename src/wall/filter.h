#pragma once
// A filter of system calls, written call by call, as a program of the kernel's for seccomp. What is refused
// fails with EPERM; a call that is newer than the lists, with ENOSYS, so that libraries do it another way.
//
// Threads: one at a time; install() holds for all threads of the process.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <linux/filter.h>

#include "base/error.h"

namespace canopy::wall {

class Filter {
 public:
  // Calls of another architecture end the process.
  Filter();

  // The first row for a call counts. What is called most often comes first: old kernels read row by row.
  void allow(long number);
  void refuse(long number, int error);
  // Where none of `bits` is set in the lower half of an argument.
  void allow_without(long number, std::size_t argument, std::uint32_t bits);
  // Where one of them is.
  void allow_with(long number, std::size_t argument, std::uint32_t bits);
  // Where one of them is; else the next row for the call counts.
  void refuse_with(long number, std::size_t argument, std::uint32_t bits);
  // Where the lower half of an argument is `value`; likewise.
  void refuse_for(long number, std::size_t argument, std::uint32_t value);
  // Where the lower half of the first argument is one of `values`; else it fails with `error`.
  void allow_for(long number, std::span<const std::uint32_t> values, int error);
  // Where the lower halves of the first argument and of the third are these. Else the next row for it counts.
  void allow_for_both(long number, std::uint32_t first, std::uint32_t third);
  // What types into a terminal: others read there, who may do more. Before ioctl() is allowed.
  void refuse_typing();
  // socketpair(), of UNIX: of other families it makes sockets that socket() refuses.
  void allow_pairs();

  // The program, as bytes: so many `sock_filter`. All that has no row is refused, or allowed.
  std::string finish_allow_list();
  std::string finish_deny_list();

 private:
  void add(sock_filter part) { parts_.push_back(part); }
  std::string bytes() const;
  std::vector<sock_filter> parts_;
};

// No new privileges, and the filter, for this process and all that it starts. Cannot be taken back.
//   unavailable  the kernel takes no such filter; no new privileges holds
Result<void> install(const std::string& filter);

}  // namespace canopy::wall
