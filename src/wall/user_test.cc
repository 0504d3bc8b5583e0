// As root, in children: who has become another does not come back.

#include "wall/user.h"

#include <filesystem>
#include <fstream>
#include <functional>

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
  fs::remove_all(outside);
}

}  // namespace
}  // namespace canopy::wall
