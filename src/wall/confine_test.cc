// In a child of its own, since what is given up is gone for good.

#include "wall/confine.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "wall/read_walls.h"

namespace canopy::wall {
namespace {

constexpr int as_expected = 0;
constexpr int otherwise = 1;
constexpr int no_filters = 2;
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif

// What became of a confined child that asks `what`.
int confined(const std::function<bool()>& what, FilterKind kind = FilterKind::worker) {
  const pid_t child = fork();
  if (child == 0) {
    if (!confine(kind)) _exit(no_filters);
    _exit(what() ? as_expected : otherwise);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : otherwise;
}

// A call that is newer than the lists looks as if the kernel did not know it.
bool refused(long result) { return result == -1 && (errno == EPERM || errno == ENOSYS); }

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

// Its user is the server's: what it cannot open it could still change, and Docker's socket is a way to root.
TEST_F(ConfineTest, AWorkerChangesNoFileAndTalksToNobodyOnThisMachine) {
  const std::string path = "/tmp/canopy-confined-" + std::to_string(getpid());
  const Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(file && write(file.get(), "x", 1) == 1);
  const char* const name = path.c_str();
  EXPECT_EQ(confined([name] { return refused(truncate(name, 0)); }), as_expected);
  EXPECT_EQ(confined([name] { return refused(open(name, O_RDONLY | O_TRUNC)); }), as_expected);
  EXPECT_EQ(confined([name] { return refused(creat(name, 0600)); }), as_expected);
  EXPECT_EQ(confined([name] { return refused(chmod(name, 0666)); }), as_expected);
  EXPECT_EQ(confined([&file] { return refused(fchmod(file.get(), 0666)); }), as_expected);
  EXPECT_EQ(confined([name] { return open(name, O_RDONLY) >= 0; }), as_expected);
  struct stat about{};
  ASSERT_EQ(fstat(file.get(), &about), 0);
  EXPECT_EQ(about.st_size, 1);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  unlink(name);
  EXPECT_EQ(confined([] { return socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT; }),
            as_expected);
}

TEST_F(ConfineTest, AThreadOfAWorkerHasNoNamespaceOfItsOwn) {
  constexpr unsigned long thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWUTS;
  EXPECT_EQ(confined([] { return refused(syscall(SYS_clone, thread, 0, 0, 0, 0)); }), as_expected);
}

// Whoever does not run into the filter is told that this is no terminal.
TEST_F(ConfineTest, NobodyTypesAtTheTerminal) {
  const Descriptor nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const FilterKind kind :
       {FilterKind::worker, FilterKind::program, FilterKind::python, FilterKind::containers}) {
    EXPECT_EQ(confined([&] { return refused(ioctl(nothing.get(), TIOCSTI, "x")); }, kind), as_expected);
    EXPECT_EQ(confined([&] { return ioctl(nothing.get(), TCGETS, nullptr) == -1 && errno == ENOTTY; }, kind),
              as_expected);
  }
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

TEST_F(ConfineTest, AServerStartsProgramsAndMakesNoNamespaces) {
  const auto as_server = [](const std::function<bool()>& what) {
    return confined(what, FilterKind::program);
  };
  EXPECT_EQ(as_server([] {
              const pid_t child = fork();
              if (child == 0) {
                execl("/bin/true", "true", nullptr);
                _exit(1);
              }
              int status = -1;
              return waitpid(child, &status, 0) == child && status == 0;
            }),
            as_expected);
  EXPECT_EQ(as_server([] { return kill(getpid(), 0) == 0; }), as_expected);
  EXPECT_EQ(as_server([] { return refused(unshare(CLONE_NEWUSER)); }), as_expected);
  EXPECT_EQ(as_server([] { return refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }),
            as_expected);
  EXPECT_EQ(as_server([] { return refused(syscall(SYS_ptrace, 0, 0, 0, 0)); }),
            is_sanitized ? otherwise : as_expected);
}

TEST_F(ConfineTest, WithPythonNamespacesAreMadeToo) {
  EXPECT_EQ(confined([] { return !refused(unshare(CLONE_NEWUSER)); }, FilterKind::python), as_expected);
  EXPECT_EQ(confined([] { return refused(syscall(SYS_bpf, 0, nullptr, 0)); }, FilterKind::python),
            as_expected);
}

TEST_F(ConfineTest, WithContainersNobodyChangesTheMachine) {
  EXPECT_EQ(confined([] { return refused(syscall(SYS_reboot, 0, 0, 0, nullptr)); }, FilterKind::containers),
            as_expected);
  EXPECT_EQ(confined([] { return refused(syscall(SYS_perf_event_open, nullptr, 0, 0, 0, 0)); },
                     FilterKind::containers),
            as_expected);
  EXPECT_EQ(confined([] { return !refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0)); }, FilterKind::containers),
            as_expected);
}

TEST_F(ConfineTest, WhatTheKernelDoesNotHaveYetFailsAsThere) {
  EXPECT_EQ(confined([] { return syscall(SYS_io_uring_setup, 0, nullptr) == -1 && errno == ENOSYS; }),
            as_expected);
  EXPECT_EQ(confined([] { return syscall(10'000) == -1 && errno == ENOSYS; }), as_expected);
}

TEST_F(ConfineTest, OtherSocketsThanThoseOfTheInternetAreNotMade) {
  EXPECT_EQ(confined([] { return socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT; }),
            as_expected);
  EXPECT_EQ(confined([] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }), as_expected);
  EXPECT_EQ(confined([] { return socket(AF_NETLINK, SOCK_RAW, 0) >= 0; }), as_expected);
  for (const FilterKind kind : {FilterKind::worker, FilterKind::program, FilterKind::python}) {
    EXPECT_EQ(confined([] { return socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) == -1; }, kind),
              as_expected);
    EXPECT_EQ(confined([] { return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0; }, kind), as_expected);
    EXPECT_EQ(confined(
                  [] {
                    std::array<int, 2> ends{};
                    return socketpair(AF_TIPC, SOCK_STREAM, 0, ends.data()) == -1 &&
                           (errno == EAFNOSUPPORT || errno == EPERM) &&
                           socketpair(AF_INET, SOCK_STREAM, 0, ends.data()) == -1 && errno != EOPNOTSUPP;
                  },
                  kind),
              as_expected);
  }
}

TEST_F(ConfineTest, AWorkerReachesNoServiceOfThisMachineThatListensInAFile) {
  const auto makes = [] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; };
  EXPECT_EQ(confined(makes), otherwise);
  EXPECT_EQ(confined(makes, FilterKind::program), as_expected);
  const auto makes_pair = [] {
    std::array<int, 2> ends{};
    return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends.data()) == 0;
  };
  EXPECT_EQ(confined(makes_pair), otherwise);
  EXPECT_EQ(confined(makes_pair, FilterKind::program), as_expected);
}

// Of which Landlock knows nothing, or not in each kernel that has it.
TEST_F(ConfineTest, AWorkerChangesNoFileByItsName) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("canopy-confined-" + std::to_string(getpid()));
  std::ofstream(path) << "x";
  EXPECT_EQ(confined([&] { return refused(truncate(path.c_str(), 0)); }), as_expected);
  EXPECT_EQ(confined([&] { return refused(chmod(path.c_str(), 0777)); }), as_expected);
  EXPECT_EQ(confined([&] { return refused(rename(path.c_str(), (path + "-2").c_str())); }), as_expected);
  EXPECT_EQ(confined([&] { return refused(link(path.c_str(), (path + "-2").c_str())); }), as_expected);
  EXPECT_EQ(confined([&] { return refused(unlink(path.c_str())); }), as_expected);
  EXPECT_EQ(std::filesystem::file_size(path), 1U);
  std::filesystem::remove(path);
}

TEST_F(ConfineTest, NobodyTypesIntoATerminal) {
  for (const FilterKind kind :
       {FilterKind::worker, FilterKind::program, FilterKind::python, FilterKind::containers}) {
    EXPECT_EQ(confined([] { return ioctl(0, TIOCSTI, "x") == -1 && errno == EPERM; }, kind), as_expected);
    EXPECT_EQ(confined([] { return ioctl(0, TIOCLINUX, "x") == -1 && errno == EPERM; }, kind), as_expected);
    EXPECT_EQ(confined(
                  [] {
                    std::array<int, 2> ends{};
                    int count = -1;
                    return pipe2(ends.data(), O_CLOEXEC) == 0 && ioctl(ends[0], FIONREAD, &count) == 0 &&
                           count == 0;
                  },
                  kind),
              as_expected);
  }
}

TEST_F(ConfineTest, WhatWasDoneIsToBeRead) {
  EXPECT_EQ(own_filter(), "");
  EXPECT_EQ(confined([] {
              const Walls walls = read_own_walls();
              return walls.no_new_privileges && walls.filter == describe(FilterKind::worker) &&
                     walls.filter.starts_with("allow-list of ");
            }),
            as_expected);
  EXPECT_TRUE(describe(FilterKind::containers).starts_with("deny-list of "));
}

// A child with a filter of its own is known by its having more of them than we.
TEST_F(ConfineTest, AChildsWallsAreToBeReadFromOutside) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const bool done = confine(FilterKind::worker).has_value();
    if (write(ends[1], done ? "x" : "-", 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  const Walls walls = read_walls_of(child, FilterKind::worker);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(walls.filter, describe(FilterKind::worker));
  EXPECT_TRUE(walls.no_new_privileges);
  EXPECT_EQ(read_walls_of(child, FilterKind::worker).user, "");
}

}  // namespace
}  // namespace canopy::wall
