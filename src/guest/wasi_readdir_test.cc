// fd_readdir over the tree in memory.

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t huge = 0xffffffff;
constexpr std::uint64_t out = FakeGuest::out_at;

class WasiReaddir : public testing::Test {
 protected:
  std::uint32_t open_folder(std::string_view path) {
    const auto fd = guest.open(path, oflags::directory);
    EXPECT_TRUE(fd) << path;
    return fd ? *fd : 99;
  }

  FakeCaller caller;
  FakeGuest guest{caller};
};

TEST_F(WasiReaddir, AFolderListsItsEntries) {
  EXPECT_EQ(guest.make("tmp/a"), Errno::success);
  EXPECT_EQ(guest.make_folder("tmp/b"), Errno::success);
  EXPECT_EQ(guest.symlink("a", "tmp/c"), Errno::success);
  const auto fd = open_folder("tmp");
  const auto listed = guest.list(fd);
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->names, (std::vector<std::string>{".", "..", "a", "b", "c"}));
  const auto self = caller.at<WasiDirent>(FakeGuest::data_at);
  EXPECT_EQ(self.inode, guest.stat(fd)->inode);
  EXPECT_EQ(self.filetype, Filetype::directory);
}

TEST_F(WasiReaddir, TheRootListsTheImageAndTmp) {
  EXPECT_EQ(guest.list(3)->names, (std::vector<std::string>{".", "..", "etc", "tmp"}));
}

TEST_F(WasiReaddir, ListingGoesOnFromACookie) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(guest.make("tmp/file" + std::to_string(i)), Errno::success);
  const auto fd = open_folder("tmp");
  std::vector<std::string> names;
  std::uint64_t cookie = 0;
  for (int round = 0; round < 100; ++round) {
    const auto listed = guest.list(fd, 100, cookie);
    ASSERT_TRUE(listed);
    names.insert(names.end(), listed->names.begin(), listed->names.end());
    if (listed->used < 100) break;
    ASSERT_NE(listed->cookie, cookie);
    cookie = listed->cookie;
  }
  EXPECT_EQ(names.size(), 52U);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 52U);
}

TEST_F(WasiReaddir, ListingSurvivesRemovalOfWhatWasListed) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(guest.make("tmp/f" + std::to_string(i)), Errno::success);
  const auto fd = open_folder("tmp");
  std::uint64_t cookie = 2;
  int removed = 0;
  while (true) {
    const auto listed = guest.list(fd, 60, cookie);
    ASSERT_TRUE(listed);
    if (listed->names.empty()) break;
    for (const std::string& name : listed->names) {
      EXPECT_EQ(guest.unlink("tmp/" + name), Errno::success);
      ++removed;
    }
    cookie = listed->cookie;
  }
  EXPECT_EQ(removed, 20);
  EXPECT_EQ(guest.remove_folder("tmp"), Errno::rofs);
}

TEST_F(WasiReaddir, ListingIntoTinyBuffersIsCutShort) {
  const auto fd = open_folder("tmp");
  for (const std::uint32_t size : {0U, 1U, 23U, 24U, 25U}) {
    const auto listed = guest.list(fd, size);
    ASSERT_TRUE(listed);
    EXPECT_EQ(listed->used, size);
    EXPECT_EQ(listed->names.size(), size == 25 ? 1U : 0U);
  }
  EXPECT_EQ(guest.list(fd, 100, huge)->names.size(), 0U);
  EXPECT_EQ(guest.list(fd, 100, ~std::uint64_t{0})->names.size(), 0U);
  EXPECT_EQ(guest.list(3, 100, ~std::uint64_t{0})->names.size(), 0U);
  EXPECT_EQ(caller.wasi("fd_readdir", {fd, 65530, 100, 0, out}), Errno::fault);
  EXPECT_EQ(caller.wasi("fd_readdir", {fd, 0, 100, 0, 65534}), Errno::fault);
}

}  // namespace
}  // namespace canopy::guest
