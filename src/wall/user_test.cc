// As root, in children: who has become another does not come back.

#include "wall/user.h"

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wall/read_walls.h"

namespace canopy::wall {
namespace {

namespace fs = std::filesystem;

constexpr const char* somebody = "nobody";

bool in_child(const std::function<bool()>& what) {
  const pid_t child = fork();
  if (child == 0) _exit(what() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class UserTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root becomes another";
  }
};

TEST(User, RootAndWhoIsNotThereAreNone) {
  EXPECT_NE(find_user("root").error().message.find("may less"), std::string::npos);
  EXPECT_EQ(find_user("0").error().code, Code::invalid);
  EXPECT_NE(find_user("no-such-user").error().message.find("useradd"), std::string::npos);
  EXPECT_EQ(find_user("").error().code, Code::invalid);
  // As which the kernel would leave us root.
  EXPECT_EQ(find_user("4294967295").error().code, Code::invalid);
  for (const char* const number : {"-1", "4294967296", "00", "0x1", "1 "}) {
    EXPECT_EQ(find_user(number).error().code, Code::invalid) << number;
  }
}

TEST(User, IsFoundByNameAndByNumber) {
  const auto by_name = find_user(somebody);
  ASSERT_TRUE(by_name) << by_name.error().message;
  EXPECT_EQ(find_user(std::to_string(by_name->id))->name, somebody);
  EXPECT_EQ(find_user("1234567")->id, 1234567U);
  EXPECT_EQ(find_user("1234567")->group, 1234567U);
}

TEST_F(UserTest, TheirRightsAreAllGone) {
  const auto user = find_user(somebody);
  EXPECT_TRUE(in_child([&] {
    if (!become(*user, false)) return false;
    const Walls walls = read_own_walls();
    return walls.user == somebody && walls.capabilities == 0 && getuid() == user->id &&
           getgid() == user->group && setuid(0) != 0 && prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0 &&
           open("/etc/shadow", O_RDONLY) < 0;
  }));
}

TEST_F(UserTest, LowPortsAreKeptWhereTheyAreNeeded) {
  const auto user = find_user(somebody);
  EXPECT_TRUE(in_child(
      [&] { return become(*user, true) && read_own_walls().capabilities == 1U << CAP_NET_BIND_SERVICE; }));
}

TEST_F(UserTest, WhoIsAnotherCannotBecomeAThird) {
  EXPECT_TRUE(in_child([] {
    const auto first = find_user(somebody);
    if (!become(*first, false) || !become(*first, false)) return false;
    const auto other = become(*find_user("1234567"), false);
    return !other && other.error().code == Code::invalid;
  }));
}

TEST_F(UserTest, AFolderIsMadeForThemOrHasToBeTheirs) {
  const auto user = find_user(somebody);
  const fs::path outside = fs::temp_directory_path() / ("canopy-user-" + std::to_string(getpid()));
  const fs::path folder = outside / "data";
  ASSERT_TRUE(prepare_folder(folder, *user));
  struct stat about{};
  ASSERT_EQ(stat(folder.c_str(), &about), 0);
  EXPECT_EQ(about.st_uid, user->id);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  EXPECT_TRUE(prepare_folder(folder, *user));
  std::ofstream(folder / "of-root") << "x";
  const auto mixed = prepare_folder(folder, *user);
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, Code::invalid);
  EXPECT_NE(mixed.error().message.find("of-root is not of that user; `chown -R "), std::string::npos);
  EXPECT_FALSE(prepare_folder("/etc", *user));
  EXPECT_TRUE(prepare_folder(outside / "with-a-slash/", *user));
  fs::remove_all(outside);
}

// Who owns the folder around exchanges what root has just made for a link, or for another folder of root's.
TEST_F(UserTest, WhatWasPutInThePlaceOfANewFolderIsNotGivenAway) {
  const auto user = find_user(somebody);
  const fs::path outside = fs::temp_directory_path() / ("canopy-race-" + std::to_string(getpid()));
  const fs::path folder = outside / "data";
  const fs::path victim = outside / "of-root";
  const fs::path link = outside / "link";
  fs::create_directories(victim);
  std::ofstream(victim / "file") << "x";
  fs::create_directory_symlink(victim, link);
  std::atomic<bool> is_over = false;
  std::jthread swapper([&] {
    while (!is_over) {
      for (const fs::path& bait : {link, victim}) {
        // Fails until there is something to exchange; then back again.
        for (int i = 0; i < 2; ++i) {
          if (renameat2(AT_FDCWD, bait.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) != 0) break;
        }
      }
    }
  });
  for (int i = 0; i < 2000; ++i) {
    static_cast<void>(prepare_folder(folder, *user));
    rmdir(folder.c_str());
  }
  is_over = true;
  swapper.join();
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(outside)) {
    if (entry.path().filename() != "file") continue;
    ++count;
    struct stat about{};
    ASSERT_EQ(stat(entry.path().parent_path().c_str(), &about), 0);
    EXPECT_EQ(about.st_uid, 0U) << entry.path() << " is of root, and its folder was given away";
  }
  EXPECT_EQ(count, 1);
  fs::remove_all(outside);
}

}  // namespace
}  // namespace canopy::wall
