// In a child of its own, since what is given up is gone for good.

#include "wall/sight.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace canopy::wall {
namespace {

namespace fs = std::filesystem;

constexpr int as_expected = 0;
constexpr int otherwise = 1;
constexpr int no_landlock = 2;

class SightTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(seen);
    fs::create_directories(hidden);
    std::ofstream(seen / "file") << "x";
    std::ofstream(hidden / "file") << "x";
    if (seeing([] { return true; }) == no_landlock) GTEST_SKIP() << "this kernel has no Landlock";
  }
  void TearDown() override { fs::remove_all(folder); }

  int seeing(const std::function<bool()>& what) const {
    const pid_t child = fork();
    if (child == 0) {
      std::vector<std::string> paths = system_files();
      paths.push_back(seen.string());
      if (!see_only(paths)) _exit(no_landlock);
      _exit(what() ? as_expected : otherwise);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : otherwise;
  }

  const fs::path folder = fs::temp_directory_path() / ("canopy-sight-" + std::to_string(getpid()));
  const fs::path seen = folder / "seen";
  const fs::path hidden = folder / "hidden";
};

bool refused(int result) { return result == -1 && errno == EACCES; }

TEST_F(SightTest, WhatIsNamedIsReadAndNothingElse) {
  EXPECT_EQ(seeing([&] { return open((seen / "file").c_str(), O_RDONLY) >= 0; }), as_expected);
  EXPECT_EQ(seeing([&] { return refused(open((hidden / "file").c_str(), O_RDONLY)); }), as_expected);
  EXPECT_EQ(seeing([&] { return refused(open((seen / "../hidden/file").c_str(), O_RDONLY)); }), as_expected);
  EXPECT_EQ(seeing([&] { return refused(open("/etc/passwd", O_RDONLY)); }), as_expected);
  EXPECT_EQ(seeing([&] { return open("/proc/self/statm", O_RDONLY) >= 0; }), as_expected);
}

TEST_F(SightTest, CertificatesAreReadAndTheKeysBesideThemAreNot) {
  for (const char* const keys : {"/etc/ssl", "/etc/ssl/private", "/etc/pki", "/etc/pki/tls/private"}) {
    EXPECT_EQ(seeing([keys] { return open(keys, O_RDONLY | O_DIRECTORY) == -1; }), as_expected) << keys;
  }
  if (!fs::exists("/etc/ssl/certs")) return;
  EXPECT_EQ(seeing([] { return open("/etc/ssl/certs", O_RDONLY | O_DIRECTORY) >= 0; }), as_expected);
}

// To open for reading and to empty it meanwhile is a way of writing.
TEST_F(SightTest, NothingIsEmptied) {
  constexpr long truncating_version = 3;
  if (syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < truncating_version) {
    GTEST_SKIP() << "this kernel's Landlock lets files be emptied; the filter of system calls does not";
  }
  EXPECT_EQ(seeing([&] { return refused(open((seen / "file").c_str(), O_RDONLY | O_TRUNC)); }), as_expected);
  EXPECT_EQ(seeing([&] { return refused(truncate((seen / "file").c_str(), 0)); }), as_expected);
  EXPECT_EQ(seeing([&] { return refused(truncate((hidden / "file").c_str(), 0)); }), as_expected);
  EXPECT_EQ(fs::file_size(seen / "file"), 1U);
}

#if !__has_feature(thread_sanitizer)
// What hides files hides them from one thread: another would be a way around it, in the same memory.
TEST_F(SightTest, OtherThreadsAreNotLeftSeeing) {
  const pid_t child = fork();
  if (child == 0) {
    std::promise<void> over;
    std::thread other([&over] { over.get_future().wait(); });
    const auto beside = see_only(system_files());
    over.set_value();
    other.join();
    _exit(!beside && beside.error().code == Code::invalid ? as_expected : otherwise);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == as_expected);
}
#endif

TEST_F(SightTest, ThreadsThatAreMadeSeeAsLittle) {
  EXPECT_EQ(seeing([&] {
              bool hides = false;
              std::thread([&] { hides = refused(open((hidden / "file").c_str(), O_RDONLY)); }).join();
              return hides;
            }),
            as_expected);
}

TEST_F(SightTest, NothingIsWritten) {
  EXPECT_EQ(seeing([&] { return refused(open((seen / "file").c_str(), O_WRONLY)); }), as_expected);
  EXPECT_EQ(seeing([&] { return refused(open((seen / "new").c_str(), O_WRONLY | O_CREAT, 0600)); }),
            as_expected);
  EXPECT_EQ(seeing([&] { return refused(mkdir((seen / "new").c_str(), 0700)); }), as_expected);
  EXPECT_EQ(seeing([&] { return refused(unlink((seen / "file").c_str())); }), as_expected);
}

TEST_F(SightTest, WhoSeesMoreIsNotLookedInto) {
  const pid_t parent = getpid();
  EXPECT_EQ(seeing([parent] {
              return open(("/proc/" + std::to_string(parent) + "/environ").c_str(), O_RDONLY) == -1;
            }),
            as_expected);
}

}  // namespace
}  // namespace canopy::wall
