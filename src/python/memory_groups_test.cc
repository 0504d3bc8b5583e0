#include "python/memory_groups.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t limit = 32 * MiB;

void take_and_wait(std::size_t bytes, int told) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) _exit(1);
  std::memset(memory, 1, bytes);
  if (write(told, "x", 1) != 1) _exit(1);
  pause();
  _exit(0);
}

// A child that has as much, and keeps it until this process ends, or was ended for it.
pid_t make_child_with(std::size_t bytes) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return 0;
  const pid_t child = fork();
  if (child == 0) take_and_wait(bytes, ends[1]);
  close(ends[1]);
  char byte = 0;
  static_cast<void>(read(ends[0], &byte, 1) == 1);
  return child;
}

// A process that waits until run(), and then has children one after the other.
class Parent {
 public:
  Parent(int children, std::size_t bytes) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) return;
    process_ = fork();
    start_ = Descriptor(ends[1]);
    const Descriptor wait(ends[0]);
    if (process_ != 0) return;
    start_.reset();
    char byte = 0;
    if (read(wait.get(), &byte, 1) != 1) _exit(100);
    std::vector<pid_t> all;
    for (int i = 0; i < children; ++i) all.push_back(make_child_with(bytes));
    _exit(static_cast<int>(
        std::ranges::count_if(all, [](pid_t child) { return waitpid(child, nullptr, WNOHANG) == 0; })));
  }
  ~Parent() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  Parent(const Parent&) = delete;
  Parent& operator=(const Parent&) = delete;

  pid_t process() const { return process_; }
  Descriptor handle() const { return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, process_, 0))); }

  // How many children live with their memory; nothing where the process itself was ended.
  std::optional<int> run() {
    if (write(start_.get(), "x", 1) != 1) return std::nullopt;
    int status = 0;
    waitpid(std::exchange(process_, 0), &status, 0);
    return WIFEXITED(status) ? std::optional(WEXITSTATUS(status)) : std::nullopt;
  }

 private:
  Descriptor start_;
  pid_t process_ = 0;
};

// The folder of the group that counts the memory of `process`.
fs::path folder_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/cgroup");
  fs::path second_version;
  for (std::string line; std::getline(file, line);) {
    const std::string path = line.substr(line.rfind(':') + 1);
    if (line.find(":memory:") != line.npos) return "/sys/fs/cgroup/memory" + path;
    if (line.starts_with("0::")) second_version = "/sys/fs/cgroup" + path;
  }
  return second_version;
}

// ThreadSanitizer remembers of each word who wrote it, in memory that counts too.
#if __has_feature(thread_sanitizer)
constexpr bool is_shadowed = true;
#else
constexpr bool is_shadowed = false;
#endif
constexpr const char* shadowed = "what a sanitizer keeps beside the memory of the process counts too";

class MemoryGroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!groups_->why_none().empty()) GTEST_SKIP() << groups_->why_none();
  }
  std::shared_ptr<MemoryGroups> groups_ = std::make_shared<MemoryGroups>();
};

TEST_F(MemoryGroupsTest, WhatProcessesHoldTogetherHasAnEnd) {
  Parent parent(4, limit / 2);
  const auto group = groups_->enter(parent.process(), limit);
  ASSERT_TRUE(group);
  EXPECT_FALSE(group->is_exhausted());
  EXPECT_LT(parent.run().value_or(0), 4);
  EXPECT_TRUE(group->is_exhausted());
}

TEST_F(MemoryGroupsTest, WhatFitsIsLeftAlone) {
  if (is_shadowed) GTEST_SKIP() << shadowed;
  Parent parent(2, limit / 4);
  const auto group = groups_->enter(parent.process(), limit);
  ASSERT_TRUE(group);
  EXPECT_EQ(parent.run(), 2);
  EXPECT_FALSE(group->is_exhausted());
}

TEST_F(MemoryGroupsTest, OneThatIsUsedAgainKnowsNothingOfBefore) {
  if (is_shadowed) GTEST_SKIP() << shadowed;
  fs::path first;
  {
    Parent parent(4, limit / 2);
    const auto group = groups_->enter(parent.process(), limit);
    first = folder_of(parent.process());
    parent.run();
    EXPECT_TRUE(group->is_exhausted());
  }
  // Its children are gone soon after it is.
  for (int i = 0; i < 1000; ++i) {
    std::ifstream members(first / "cgroup.procs");
    if (std::string line; !std::getline(members, line)) break;
    usleep(10'000);
  }
  Parent parent(1, limit / 2);
  const auto group = groups_->enter(parent.process(), limit);
  ASSERT_TRUE(group);
  EXPECT_EQ(folder_of(parent.process()), first);
  EXPECT_EQ(parent.run(), 1);
  EXPECT_FALSE(group->is_exhausted());
}

TEST_F(MemoryGroupsTest, TwoAtOnceHaveOneEach) {
  const Parent one(0, 0);
  const Parent other(0, 0);
  const auto first = groups_->enter(one.handle(), limit);
  const auto second = groups_->enter(other.handle(), limit);
  ASSERT_TRUE(first && second);
  EXPECT_NE(folder_of(one.process()), folder_of(other.process()));
}

TEST_F(MemoryGroupsTest, NobodyIsMovedForAProcessThatHasEnded) {
  Descriptor handle;
  {
    Parent parent(0, 0);
    handle = parent.handle();
    parent.run();
  }
  EXPECT_FALSE(groups_->enter(handle, limit));
}

TEST_F(MemoryGroupsTest, NothingIsLeftBehind) {
  fs::path folder;
  {
    Parent parent(0, 0);
    const auto group = groups_->enter(parent.process(), limit);
    ASSERT_TRUE(group);
    folder = folder_of(parent.process());
    EXPECT_TRUE(fs::exists(folder));
    parent.run();
  }
  groups_.reset();
  EXPECT_FALSE(fs::exists(folder.parent_path())) << folder;
}

TEST_F(MemoryGroupsTest, GroupsOfAServerThatIsGoneAreRemoved) {
  Parent gone(0, 0);
  const std::string number = std::to_string(gone.process());
  gone.run();
  const Parent parent(0, 0);
  fs::path left;
  {
    const auto group = groups_->enter(parent.process(), limit);
    ASSERT_TRUE(group);
    left = folder_of(parent.process()).parent_path().parent_path() / ("canopy-python-" + number);
    fs::create_directories(left / "1");
    std::ofstream(folder_of(getpid()) / "cgroup.procs") << parent.process();
  }
  groups_ = std::make_shared<MemoryGroups>();
  EXPECT_EQ(groups_->why_none(), "");
  // Another server that starts at the same moment may be at it, and not be done yet.
  for (int i = 0; i < 1000 && fs::exists(left); ++i) usleep(10'000);
  EXPECT_FALSE(fs::exists(left));
}

}  // namespace
}  // namespace canopy::python
