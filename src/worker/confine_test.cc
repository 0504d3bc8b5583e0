// In a child of its own, since what is given up is gone for good.

#include "worker/confine.h"

#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace canopy::worker {
namespace {

constexpr int as_expected = 0;
constexpr int otherwise = 1;
constexpr int no_filters = 2;

// What became of a confined child that asks `what`.
int confined(const std::function<bool()>& what) {
  const pid_t child = fork();
  if (child == 0) {
    if (!confine()) _exit(no_filters);
    _exit(what() ? as_expected : otherwise);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : otherwise;
}

bool refused(long result) { return result == -1 && errno == EPERM; }

class ConfineTest : public testing::Test {
 protected:
  void SetUp() override {
    if (confined([] { return true; }) == no_filters) GTEST_SKIP() << "this kernel takes no filters";
  }
};

TEST_F(ConfineTest, OtherProcessesAreNotToBeEndedOrSlowed) {
  const pid_t parent = getpid();
  EXPECT_EQ(confined([&] { return refused(kill(parent, 0)); }), as_expected);
  EXPECT_EQ(confined([&] { return refused(syscall(SYS_tgkill, parent, parent, 0)); }), as_expected);
  EXPECT_EQ(confined([&] { return refused(syscall(SYS_tkill, parent, 0)); }), as_expected);
  EXPECT_EQ(confined([&] { return refused(setpriority(PRIO_PROCESS, static_cast<id_t>(parent), 19)); }),
            as_expected);
  EXPECT_EQ(confined([&] {
              cpu_set_t cores;
              CPU_ZERO(&cores);
              return refused(sched_setaffinity(parent, sizeof cores, &cores));
            }),
            as_expected);
  EXPECT_EQ(confined([&] {
              rlimit limit{};
              return refused(prlimit(parent, RLIMIT_NOFILE, nullptr, &limit));
            }),
            as_expected);
}

TEST_F(ConfineTest, NeitherMountsNorDevicesNorProgramsAreMade) {
  EXPECT_EQ(confined([] { return refused(syscall(SYS_fsopen, "tmpfs", 0)); }), as_expected);
  EXPECT_EQ(confined([] { return refused(syscall(SYS_mount, nullptr, "/", nullptr, 0, nullptr)); }),
            as_expected);
  EXPECT_EQ(confined([] { return refused(mknod("/tmp/confined-device", S_IFCHR | 0600, 0)); }), as_expected);
  EXPECT_EQ(confined([] { return refused(fork()); }), as_expected);
  EXPECT_EQ(confined([] { return refused(execl("/bin/true", "true", nullptr)); }), as_expected);
}

TEST_F(ConfineTest, WhatAWorkerDoesStaysPossible) {
  EXPECT_EQ(confined([] { return syscall(SYS_tgkill, getpid(), gettid(), 0) == 0; }), as_expected);
  EXPECT_EQ(confined([] {
              rlimit limit{};
              return getrlimit(RLIMIT_NOFILE, &limit) == 0;
            }),
            as_expected);
  EXPECT_EQ(confined([] {
              bool ran = false;
              std::thread([&ran] { ran = true; }).join();
              return ran;
            }),
            as_expected);
  EXPECT_EQ(confined([] { return open("/proc/self/statm", O_RDONLY) >= 0; }), as_expected);
}

}  // namespace
}  // namespace canopy::worker
