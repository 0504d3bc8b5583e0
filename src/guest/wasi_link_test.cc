// Hard and symbolic links in the tree in memory.

#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t out = FakeGuest::out_at;

class WasiLink : public testing::Test {
 protected:
  Io<std::string> link_target(std::string_view path, std::uint32_t size = 4096) {
    caller.put_text(FakeGuest::path_at, path);
    const Errno error =
        caller.wasi("path_readlink", {3, FakeGuest::path_at, path.size(), FakeGuest::data_at, size, out});
    if (error != Errno::success) return io_error(error);
    return caller.text(FakeGuest::data_at, caller.at<std::uint32_t>(out));
  }
  FakeCaller caller;
  FakeGuest guest{caller};
};

TEST_F(WasiLink, HardLinksShareAFile) {
  EXPECT_EQ(guest.make("tmp/f", "one"), Errno::success);
  EXPECT_EQ(guest.link("tmp/f", "tmp/g"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/f")->links, 2U);
  EXPECT_EQ(guest.stat("tmp/f")->inode, guest.stat("tmp/g")->inode);
  EXPECT_EQ(guest.link("tmp/f", "tmp/g"), Errno::exist);
  EXPECT_EQ(guest.link("tmp/f", "tmp/f"), Errno::exist);
  EXPECT_EQ(guest.link("tmp/f", "tmp/h/"), Errno::noent);
  EXPECT_EQ(guest.link("tmp/none", "tmp/h"), Errno::noent);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.link("tmp/d", "tmp/e"), Errno::perm);
  EXPECT_EQ(guest.link("tmp/f", "tmp/d"), Errno::exist);
  // Renaming one name of a file onto another changes nothing.
  EXPECT_EQ(guest.rename("tmp/f", "tmp/g"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/f")->links, 2U);
  EXPECT_EQ(guest.unlink("tmp/f"), Errno::success);
  EXPECT_EQ(guest.content("tmp/g"), "one");
  EXPECT_EQ(guest.stat("tmp/g")->links, 1U);
}

TEST_F(WasiLink, SymbolicLinksAreFollowedWhereAsked) {
  EXPECT_EQ(guest.make("tmp/f", "content"), Errno::success);
  EXPECT_EQ(guest.symlink("f", "tmp/link"), Errno::success);
  EXPECT_EQ(guest.content("tmp/link"), "content");
  EXPECT_EQ(guest.stat("tmp/link", false)->filetype, Filetype::symbolic_link);
  EXPECT_EQ(guest.stat("tmp/link", false)->size, 1U);
  EXPECT_EQ(guest.stat("tmp/link", true)->filetype, Filetype::regular_file);
  EXPECT_EQ(guest.open("tmp/link", 0, rights::fd_read, 0, 3, false).error(), Errno::loop);
  EXPECT_EQ(guest.open("tmp/link", oflags::directory, 0, 0, 3, false).error(), Errno::loop);
  EXPECT_EQ(guest.open("tmp/link", oflags::directory).error(), Errno::notdir);
  EXPECT_EQ(link_target("tmp/link"), "f");
  EXPECT_EQ(link_target("tmp/f").error(), Errno::inval);
  EXPECT_EQ(link_target("tmp/none").error(), Errno::noent);
  EXPECT_EQ(guest.unlink("tmp/link"), Errno::success);
  EXPECT_EQ(guest.content("tmp/f"), "content");
}

TEST_F(WasiLink, LinkTargetsAreCutToTheBuffer) {
  EXPECT_EQ(guest.symlink("target", "tmp/link"), Errno::success);
  EXPECT_EQ(link_target("tmp/link", 4), "targ");
  EXPECT_EQ(link_target("tmp/link", 0), "");
  EXPECT_EQ(caller.wasi("path_readlink", {3, FakeGuest::path_at, 8, 65530, 100, out}), Errno::fault);
}

TEST_F(WasiLink, LinksLeadThroughFolders) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.make("tmp/d/f", "x"), Errno::success);
  EXPECT_EQ(guest.symlink("d/", "tmp/l1"), Errno::success);
  EXPECT_EQ(guest.symlink("../l1/../l1", "tmp/d/l2"), Errno::success);
  EXPECT_EQ(guest.content("tmp/l1/f"), "x");
  EXPECT_EQ(guest.content("tmp/l1//l2/f"), "x");
  EXPECT_TRUE(guest.open("tmp/l1", oflags::directory));
  EXPECT_TRUE(guest.open("tmp/l1/", oflags::directory, 0, 0, 3, false));
  EXPECT_EQ(guest.remove_folder("tmp/l1"), Errno::notdir);
}

TEST_F(WasiLink, DanglingLinksCanBeMadeAndFilled) {
  EXPECT_EQ(guest.symlink("none", "tmp/link"), Errno::success);
  EXPECT_EQ(guest.open_read("tmp/link").error(), Errno::noent);
  EXPECT_EQ(guest.symlink("x", "tmp/link"), Errno::exist);
  EXPECT_EQ(guest.symlink("x", "tmp/other/"), Errno::noent);
  EXPECT_EQ(guest.symlink("", "tmp/empty"), Errno::noent);
  EXPECT_EQ(guest.link("tmp/link", "tmp/hard"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/hard", false)->filetype, Filetype::symbolic_link);
  EXPECT_EQ(guest.link("tmp/link", "tmp/followed", true), Errno::noent);
  EXPECT_EQ(guest.open("tmp/link", oflags::creat | oflags::excl).error(), Errno::exist);
  EXPECT_TRUE(guest.create("tmp/link"));
  EXPECT_TRUE(guest.stat("tmp/none"));
}

TEST_F(WasiLink, LoopsOfLinksEnd) {
  EXPECT_EQ(guest.symlink("self", "tmp/self"), Errno::success);
  EXPECT_EQ(guest.open_read("tmp/self").error(), Errno::loop);
  EXPECT_EQ(guest.open_read("tmp/self/x").error(), Errno::loop);
  EXPECT_EQ(guest.symlink("b", "tmp/a"), Errno::success);
  EXPECT_EQ(guest.symlink("a", "tmp/b"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/a").error(), Errno::loop);
  EXPECT_TRUE(guest.stat("tmp/a", false));
  // A link that makes its own path longer each time.
  EXPECT_EQ(guest.symlink("grow/" + std::string(200, 'x'), "tmp/grow"), Errno::success);
  EXPECT_EQ(guest.open_read("tmp/grow").error(), Errno::loop);
  EXPECT_EQ(guest.unlink("tmp/self"), Errno::success);
}

TEST_F(WasiLink, FortyLinksAreFollowed) {
  EXPECT_EQ(guest.make("tmp/l0", "end"), Errno::success);
  for (int i = 1; i <= 41; ++i) {
    EXPECT_EQ(guest.symlink("l" + std::to_string(i - 1), "tmp/l" + std::to_string(i)), Errno::success);
  }
  EXPECT_EQ(guest.content("tmp/l40"), "end");
  EXPECT_EQ(guest.open_read("tmp/l41").error(), Errno::loop);
}

TEST_F(WasiLink, TimesAreSetOnLinksOrTheirTargets) {
  EXPECT_EQ(guest.make("tmp/f"), Errno::success);
  EXPECT_EQ(guest.symlink("f", "tmp/link"), Errno::success);
  caller.put_text(FakeGuest::path_at, "tmp/link");
  const auto set = [&](std::uint64_t follow, std::uint64_t modified) {
    return caller.wasi("path_filestat_set_times",
                       {3, follow, FakeGuest::path_at, 8, 0, modified, fstflags::mtim});
  };
  EXPECT_EQ(set(0, 11), Errno::success);
  EXPECT_EQ(set(1, 22), Errno::success);
  EXPECT_EQ(guest.stat("tmp/link", false)->modified, 11U);
  EXPECT_EQ(guest.stat("tmp/f")->modified, 22U);
}

}  // namespace
}  // namespace canopy::guest
