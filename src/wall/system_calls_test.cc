#include "wall/system_calls.h"

#include <algorithm>
#include <array>
#include <set>

#include <gtest/gtest.h>
#include <sys/syscall.h>

namespace canopy::wall {
namespace {

constexpr std::array kinds = {FilterKind::worker, FilterKind::program, FilterKind::python};

bool has(FilterKind kind, long number) {
  const auto calls = calls_of(kind);
  return std::ranges::find(calls, number) != calls.end();
}

TEST(SystemCalls, EachIsOnAListOnce) {
  for (const FilterKind kind :
       {FilterKind::worker, FilterKind::program, FilterKind::python, FilterKind::containers}) {
    const auto calls = calls_of(kind);
    EXPECT_EQ(std::set<long>(calls.begin(), calls.end()).size(), calls.size());
  }
}

TEST(SystemCalls, EachListIsWiderThanTheOneBefore) {
  for (std::size_t i = 0; i + 1 < kinds.size(); ++i) {
    EXPECT_LT(calls_of(kinds.at(i)).size(), calls_of(kinds.at(i + 1)).size());
    for (const long number : calls_of(kinds.at(i))) EXPECT_TRUE(has(kinds.at(i + 1), number)) << number;
  }
}

TEST(SystemCalls, WhatIsRefusedWithContainersIsOnNoOtherList) {
  for (const long number : calls_of(FilterKind::containers)) {
    EXPECT_FALSE(has(FilterKind::python, number)) << number;
  }
}

// Filters are inherited: what is allowed behind further walls has to be allowed here first.
TEST(SystemCalls, APythonFunctionMayDoWhatItsOwnListSays) {
  for (const long number : ordinary_calls()) EXPECT_TRUE(has(FilterKind::program, number)) << number;
  for (const long number : {SYS_unshare, SYS_setns, SYS_seccomp, SYS_capset, SYS_mount}) {
    EXPECT_TRUE(has(FilterKind::python, number)) << number;
  }
}

TEST(SystemCalls, NobodyButWhoStartsContainersMayDoAsRootDoes) {
  for (const FilterKind kind : kinds) {
    for (const long number :
         {SYS_init_module, SYS_bpf, SYS_ptrace, SYS_keyctl, SYS_reboot, SYS_io_uring_setup, SYS_userfaultfd,
          SYS_perf_event_open, SYS_open_by_handle_at, SYS_chroot}) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
      if (number == SYS_ptrace) continue;
#endif
      EXPECT_FALSE(has(kind, number)) << number;
    }
  }
}

}  // namespace
}  // namespace canopy::wall
