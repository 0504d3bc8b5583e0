// With the kernel's own groups, where this process may make some.

#include "wall/control_group.h"

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"

namespace canopy::wall {
namespace {

constexpr int as_expected = 0;
constexpr int otherwise = 1;
constexpr int not_here = 2;

int in_group(const GroupLimits& limits, const std::optional<GroupOwner>& owner,
             const std::function<bool()>& what) {
  const pid_t child = fork();
  if (child == 0) {
    if (!enter_own_group(limits, owner)) _exit(not_here);
    _exit(what() ? as_expected : otherwise);
  }
  int status = 0;
  waitpid(child, &status, 0);
  for (const char* const controller : {"memory", "pids"}) {
    const std::string folder =
        group_of(getpid(), controller).folder() + "/canopy-wall-" + std::to_string(child);
    rmdir((folder + "/server").c_str());
    rmdir(folder.c_str());
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : otherwise;
}

class ControlGroupTest : public testing::Test {
 protected:
  void SetUp() override {
    if (in_group({.memory_bytes = GiB, .tasks = 100}, {}, [] { return true; }) == not_here) {
      GTEST_SKIP() << "no control groups can be made here";
    }
  }
};

TEST_F(ControlGroupTest, ItsLimitsAreToBeRead) {
  EXPECT_EQ(in_group({.memory_bytes = 512 * MiB, .tasks = 77}, {},
                     [] {
                       const GroupLimits limits = limits_of(getpid());
                       return limits.memory_bytes == 512 * MiB && limits.tasks == 77;
                     }),
            as_expected);
}

TEST_F(ControlGroupTest, TasksAreLimited) {
  EXPECT_EQ(in_group({.memory_bytes = 0, .tasks = 3}, {},
                     [] {
                       // A sanitizer may have a thread of its own.
                       const auto own =
                           std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
                       std::ptrdiff_t made = 0;
                       for (int i = 0; i < 10; ++i) {
                         const pid_t child = fork();
                         if (child == 0) {
                           usleep(200'000);
                           _exit(0);
                         }
                         if (child > 0) ++made;
                       }
                       while (waitpid(-1, nullptr, 0) > 0) continue;
                       return made == 3 - own;
                     }),
            as_expected);
}

TEST_F(ControlGroupTest, MemoryIsLimited) {
  EXPECT_EQ(in_group({.memory_bytes = 64 * MiB, .tasks = 0}, {},
                     [] {
                       const pid_t child = fork();
                       if (child == 0) {
                         void* const much = mmap(nullptr, 256 * MiB, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                         if (much != MAP_FAILED) explicit_bzero(much, 256 * MiB);
                         _exit(much != MAP_FAILED ? 0 : 1);
                       }
                       int status = 0;
                       waitpid(child, &status, 0);
                       return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
                     }),
            as_expected);
}

TEST_F(ControlGroupTest, ItsOwnerMakesGroupsInItAndChangesNoLimit) {
  EXPECT_EQ(in_group({.memory_bytes = GiB, .tasks = 0}, GroupOwner{.user = 65534, .group = 65534},
                     [] {
                       if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) {
                         return false;
                       }
                       const GroupPlace place = group_of(getpid(), "memory");
                       const std::string outside =
                           own_group_folder().empty() ? place.folder() : own_group_folder();
                       const bool makes = mkdir((outside + "/more").c_str(), 0755) == 0;
                       std::ofstream limit(
                           outside + (place.is_second_version ? "/memory.max" : "/memory.limit_in_bytes"));
                       rmdir((outside + "/more").c_str());
                       return makes && !limit.is_open();
                     }),
            as_expected);
}

TEST(ControlGroup, OnesOfProcessesThatAreGoneAreRemoved) {
  namespace fs = std::filesystem;
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  waitpid(gone, nullptr, 0);
  const fs::path outside = fs::temp_directory_path() / ("canopy-groups-" + std::to_string(getpid()));
  const auto of = [&outside](const std::string& begin, pid_t owner) {
    return outside / (begin + std::to_string(owner));
  };
  fs::create_directories(of("some-", gone) / "inner" / "innermost");
  fs::create_directories(of("some-", getpid()));
  fs::create_directories(of("some-", getppid()));
  fs::create_directories(of("other-", gone));
  fs::create_directories(outside / "some-thing");
  remove_orphan_groups(outside.string(), "some-");
  EXPECT_FALSE(fs::exists(of("some-", gone)));
  EXPECT_FALSE(fs::exists(of("some-", getpid())));
  EXPECT_TRUE(fs::exists(of("some-", getppid())));
  EXPECT_TRUE(fs::exists(of("other-", gone)));
  EXPECT_TRUE(fs::exists(outside / "some-thing"));
  fs::remove_all(outside);
}

TEST(ControlGroup, OfNobodyLimitsNothing) {
  EXPECT_EQ(limits_of(-1).memory_bytes, 0U);
  EXPECT_EQ(group_of(-1, "no-such-controller").path, "");
}

}  // namespace
}  // namespace canopy::wall
