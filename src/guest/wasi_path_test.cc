// The path_* functions and fd_readdir, over the tree in memory.

#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t huge = 0xffffffff;
constexpr std::uint64_t out = FakeGuest::out_at;

class WasiPath : public testing::Test {
 protected:
  void make(std::string_view path, std::string_view content = {}) {
    const auto fd = guest.create(path);
    ASSERT_TRUE(fd) << path;
    if (!content.empty()) {
      EXPECT_EQ(guest.write(*fd, content), content.size());
    }
    EXPECT_EQ(guest.close(*fd), Errno::success);
  }
  std::string content(std::string_view path) {
    const auto fd = guest.open_read(path);
    if (!fd) return "(cannot open)";
    const auto text = guest.read(*fd);
    guest.close(*fd);
    return text ? *text : "(cannot read)";
  }
  Io<std::string> link_target(std::string_view path, std::uint32_t size = 4096) {
    caller.put_text(FakeGuest::path_at, path);
    const Errno error =
        caller.wasi("path_readlink", {3, FakeGuest::path_at, path.size(), FakeGuest::data_at, size, out});
    if (error != Errno::success) return io_error(error);
    return caller.text(FakeGuest::data_at, caller.at<std::uint32_t>(out));
  }
  std::uint32_t open_folder(std::string_view path) {
    const auto fd = guest.open(path, oflags::directory);
    EXPECT_TRUE(fd) << path;
    return fd ? *fd : 99;
  }

  FakeCaller caller;
  FakeGuest guest{caller};
};

TEST_F(WasiPath, SmallFilesOfTheSystemAreThere) {
  EXPECT_EQ(content("etc/hosts"), "127.0.0.1\tlocalhost\n");
  EXPECT_TRUE(content("etc/passwd").starts_with("root:x:0:0:"));
  EXPECT_NE(content("etc/resolv.conf"), "(cannot open)");
}

TEST_F(WasiPath, NothingOfTheMachineIsThere) {
  for (const std::string_view path :
       {"etc/shadow", "../../etc/shadow", "../../../../../../etc/shadow", "etc/../../../etc/shadow",
        "tmp/../../etc/shadow", "proc/self/environ", "dev/null", "home", "./../proc"}) {
    EXPECT_EQ(guest.open_read(path).error(), Errno::noent) << path;
  }
  EXPECT_EQ(guest.open_read("/etc/shadow").error(), Errno::notcapable);
  EXPECT_EQ(guest.open_read("/etc/hosts").error(), Errno::notcapable);
  EXPECT_EQ(content("../../etc/hosts"), "127.0.0.1\tlocalhost\n");
}

TEST_F(WasiPath, AFolderIsAsFarAsItsDescriptorReaches) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  make("tmp/outside");
  make("tmp/d/inside");
  const auto fd = open_folder("tmp/d");
  EXPECT_TRUE(guest.open("inside", 0, rights::fd_read, 0, fd));
  EXPECT_EQ(guest.open("../outside", 0, rights::fd_read, 0, fd).error(), Errno::notcapable);
  EXPECT_EQ(guest.open("..", 0, rights::fd_read, 0, fd).error(), Errno::notcapable);
  EXPECT_EQ(guest.open("./x/..", 0, rights::fd_read, 0, fd).error(), Errno::noent);
  EXPECT_EQ(guest.symlink("../outside", "tmp/d/up"), Errno::success);
  EXPECT_EQ(guest.symlink("/etc/hosts", "tmp/d/absolute"), Errno::success);
  EXPECT_EQ(guest.open("up", 0, rights::fd_read, 0, fd).error(), Errno::notcapable);
  EXPECT_EQ(guest.open("absolute", 0, rights::fd_read, 0, fd).error(), Errno::notcapable);
  EXPECT_TRUE(guest.open_read("tmp/d/up"));
  EXPECT_EQ(content("tmp/d/absolute"), "127.0.0.1\tlocalhost\n");
}

TEST_F(WasiPath, IsResolvedAsEverywhere) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.make_folder("tmp/d/nested/"), Errno::success);
  make("tmp/d/nested/file", "x");
  EXPECT_EQ(content("tmp/d/.//nested/../../d/nested/../nested///./file"), "x");
  EXPECT_EQ(guest.open_read("tmp/d/nested/file/").error(), Errno::notdir);
  EXPECT_EQ(guest.open_read("tmp/d/nested/file/.").error(), Errno::notdir);
  EXPECT_EQ(guest.open_read("tmp/d/nested/file/x").error(), Errno::notdir);
  EXPECT_EQ(guest.open_read("tmp/d/none/file").error(), Errno::noent);
  EXPECT_TRUE(guest.open_read("tmp/d/nested///"));
  EXPECT_TRUE(guest.open_read("."));
  EXPECT_EQ(guest.open_read("tmp/d/nested/file/..").error(), Errno::notdir);
}

TEST_F(WasiPath, BadPathsAreRefused) {
  EXPECT_EQ(guest.open_read("").error(), Errno::noent);
  EXPECT_EQ(guest.open_read(std::string_view("etc/hosts\0", 10)).error(), Errno::inval);
  EXPECT_EQ(guest.open_read("etc/\xff").error(), Errno::ilseq);
  EXPECT_EQ(guest.make_folder("tmp/\xc3("), Errno::ilseq);
  EXPECT_EQ(guest.open_read(std::string(5000, 'a')).error(), Errno::nametoolong);
  EXPECT_EQ(guest.open_read("tmp/" + std::string(256, 'a')).error(), Errno::nametoolong);
  EXPECT_EQ(guest.make_folder("tmp/" + std::string(255, 'a')), Errno::success);
  std::string deep;
  while (deep.size() < 4096) deep += "./";
  EXPECT_TRUE(guest.open_read(deep));
  const auto in = FakeGuest::path_at;
  EXPECT_EQ(caller.wasi("path_create_directory", {3, 65536, 1}), Errno::fault);
  EXPECT_EQ(caller.wasi("path_create_directory", {3, in, huge}), Errno::fault);
  EXPECT_EQ(caller.wasi("path_create_directory", {3, huge, huge}), Errno::fault);
}

TEST_F(WasiPath, UnknownFlagsAreRefused) {
  const auto in = FakeGuest::path_at;
  caller.put_text(in, "tmp");
  EXPECT_EQ(caller.wasi("path_open", {3, 2, in, 3, 0, 0, 0, 0, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("path_open", {3, 0, in, 3, 16, 0, 0, 0, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("path_open", {3, 0, in, 3, 0x10000, 0, 0, 0, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("path_open", {3, 0, in, 3, 0, 0, 0, 32, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("path_filestat_get", {3, 2, in, 3, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("path_filestat_set_times", {3, 2, in, 3, 0, 0, 1}), Errno::inval);
  EXPECT_EQ(caller.wasi("path_link", {3, huge, in, 3, 3, in, 3}), Errno::inval);
  EXPECT_EQ(guest.open("tmp/x", oflags::creat | oflags::directory).error(), Errno::inval);
}

TEST_F(WasiPath, NoFileIsMadeForADescriptorThatCannotBeGiven) {
  const auto in = FakeGuest::path_at;
  caller.put_text(in, "tmp/x");
  EXPECT_EQ(caller.wasi("path_open", {3, 0, in, 5, oflags::creat, 0, 0, 0, 65534}), Errno::fault);
  EXPECT_EQ(guest.stat("tmp/x").error(), Errno::noent);
}

TEST_F(WasiPath, EveryPathFunctionNeedsAFolder) {
  const auto in = FakeGuest::path_at;
  for (const auto& [fd, error] : {std::pair{huge, Errno::badf}, std::pair{std::uint64_t{1}, Errno::notdir}}) {
    EXPECT_EQ(caller.wasi("path_create_directory", {fd, in, 1}), error);
    EXPECT_EQ(caller.wasi("path_filestat_get", {fd, 0, in, 1, out}), error);
    EXPECT_EQ(caller.wasi("path_filestat_set_times", {fd, 0, in, 1, 0, 0, 1}), error);
    EXPECT_EQ(caller.wasi("path_link", {fd, 0, in, 1, 3, in, 1}), error);
    EXPECT_EQ(caller.wasi("path_link", {3, 0, in, 1, fd, in, 1}), error);
    EXPECT_EQ(caller.wasi("path_open", {fd, 0, in, 1, 0, 0, 0, 0, out}), error);
    EXPECT_EQ(caller.wasi("path_readlink", {fd, in, 1, 0, 1, out}), error);
    EXPECT_EQ(caller.wasi("path_remove_directory", {fd, in, 1}), error);
    EXPECT_EQ(caller.wasi("path_rename", {fd, in, 1, 3, in, 1}), error);
    EXPECT_EQ(caller.wasi("path_rename", {3, in, 1, fd, in, 1}), error);
    EXPECT_EQ(caller.wasi("path_symlink", {in, 1, fd, in, 1}), error);
    EXPECT_EQ(caller.wasi("path_unlink_file", {fd, in, 1}), error);
  }
}

TEST_F(WasiPath, OpensAsAsked) {
  make("tmp/f", "content");
  EXPECT_EQ(guest.open("tmp/f", oflags::creat | oflags::excl).error(), Errno::exist);
  EXPECT_EQ(guest.open("tmp/none").error(), Errno::noent);
  EXPECT_EQ(guest.open("tmp/f", oflags::directory).error(), Errno::notdir);
  EXPECT_EQ(guest.open("tmp/new/", oflags::creat).error(), Errno::isdir);
  EXPECT_EQ(guest.open("tmp", 0, rights::fd_write).error(), Errno::isdir);
  EXPECT_EQ(guest.open("tmp", oflags::creat).error(), Errno::isdir);
  EXPECT_TRUE(guest.open("tmp/f", oflags::trunc, 0));
  EXPECT_EQ(guest.stat("tmp/f")->size, 0U);
}

TEST_F(WasiPath, GivesNoMoreRightsThanItsFolderHas) {
  make("tmp/f", "content");
  const auto folder = guest.open("tmp", oflags::directory, rights::of_folder);
  ASSERT_TRUE(folder);
  EXPECT_EQ(caller.wasi("fd_fdstat_set_rights", {*folder, rights::path_open, rights::fd_read}),
            Errno::success);
  const auto file = guest.open("f", 0, rights::all, 0, *folder);
  ASSERT_TRUE(file);
  EXPECT_EQ(caller.wasi("fd_fdstat_get", {*file, out}), Errno::success);
  EXPECT_EQ(caller.at<WasiFdstat>(out).base, rights::fd_read);
  EXPECT_EQ(guest.write(*file, "x").error(), Errno::badf);
  EXPECT_EQ(guest.open("new", oflags::creat, 0, 0, *folder).error(), Errno::notcapable);
  EXPECT_EQ(guest.open("f", oflags::trunc, 0, 0, *folder).error(), Errno::notcapable);
  EXPECT_EQ(guest.on_path("path_create_directory", "d", *folder), Errno::notcapable);
  EXPECT_EQ(caller.wasi("fd_readdir", {*folder, 0, 100, 0, out}), Errno::notcapable);
}

TEST_F(WasiPath, TheImageIsReadOnly) {
  EXPECT_EQ(guest.open("etc/hosts", 0, rights::fd_write).error(), Errno::rofs);
  EXPECT_EQ(guest.open("etc/hosts", oflags::trunc, 0).error(), Errno::rofs);
  EXPECT_EQ(guest.create("file").error(), Errno::rofs);
  EXPECT_EQ(guest.create("etc/new").error(), Errno::rofs);
  EXPECT_EQ(guest.make_folder("d"), Errno::rofs);
  EXPECT_EQ(guest.make_folder("etc"), Errno::exist);
  EXPECT_EQ(guest.unlink("etc/hosts"), Errno::rofs);
  EXPECT_EQ(guest.remove_folder("etc"), Errno::rofs);
  EXPECT_EQ(guest.remove_folder("tmp"), Errno::rofs);
  EXPECT_EQ(guest.symlink("x", "link"), Errno::rofs);
  EXPECT_EQ(guest.rename("etc/hosts", "etc/other"), Errno::rofs);
  EXPECT_EQ(guest.rename("etc/hosts", "tmp/hosts"), Errno::xdev);
  EXPECT_EQ(guest.rename("tmp", "tmp2"), Errno::rofs);
  EXPECT_EQ(guest.rename("tmp", "tmp/d"), Errno::busy);
  EXPECT_EQ(guest.link("etc/hosts", "tmp/hosts"), Errno::xdev);
  EXPECT_EQ(guest.link("etc/hosts", "etc/other"), Errno::rofs);
  caller.put_text(FakeGuest::path_at, "etc/hosts");
  EXPECT_EQ(caller.wasi("path_filestat_set_times", {3, 0, FakeGuest::path_at, 9, 1, 1, 5}), Errno::rofs);
  EXPECT_EQ(content("etc/hosts"), "127.0.0.1\tlocalhost\n");
}

TEST_F(WasiPath, FoldersAreMadeAndRemoved) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::exist);
  EXPECT_EQ(guest.make_folder("tmp/none/d"), Errno::noent);
  EXPECT_EQ(guest.make_folder("tmp/d/."), Errno::exist);
  make("tmp/d/f");
  EXPECT_EQ(guest.make_folder("tmp/d/f/x"), Errno::notdir);
  EXPECT_EQ(guest.remove_folder("tmp/d"), Errno::notempty);
  EXPECT_EQ(guest.remove_folder("tmp/d/f"), Errno::notdir);
  EXPECT_EQ(guest.remove_folder("tmp/d/f/"), Errno::notdir);
  EXPECT_EQ(guest.unlink("tmp/d"), Errno::isdir);
  EXPECT_EQ(guest.unlink("tmp/d/"), Errno::isdir);
  EXPECT_EQ(guest.unlink("tmp/d/f/"), Errno::notdir);
  EXPECT_EQ(guest.unlink("tmp/d/f"), Errno::success);
  EXPECT_EQ(guest.unlink("tmp/d/f"), Errno::noent);
  EXPECT_EQ(guest.remove_folder("tmp/d/."), Errno::inval);
  EXPECT_EQ(guest.remove_folder("tmp/d/"), Errno::success);
  EXPECT_EQ(guest.remove_folder("tmp/d"), Errno::noent);
}

TEST_F(WasiPath, ARemovedFolderThatIsOpenTakesNothing) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  const auto fd = open_folder("tmp/d");
  EXPECT_EQ(guest.remove_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.open("f", oflags::creat, rights::all, 0, fd).error(), Errno::noent);
  EXPECT_EQ(guest.on_path("path_create_directory", "d", fd), Errno::noent);
  EXPECT_EQ(guest.list(fd)->names, (std::vector<std::string>{".", ".."}));
  EXPECT_EQ(guest.stat(fd)->links, 0U);
}

TEST_F(WasiPath, RenamesFiles) {
  make("tmp/a", "A");
  make("tmp/b", "B");
  EXPECT_EQ(guest.rename("tmp/a", "tmp/c"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/a").error(), Errno::noent);
  EXPECT_EQ(guest.rename("tmp/c", "tmp/b"), Errno::success);
  EXPECT_EQ(content("tmp/b"), "A");
  EXPECT_EQ(guest.rename("tmp/b", "tmp/b"), Errno::success);
  EXPECT_EQ(content("tmp/b"), "A");
  EXPECT_EQ(guest.rename("tmp/none", "tmp/x"), Errno::noent);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/x/"), Errno::notdir);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/d"), Errno::isdir);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/d/b"), Errno::success);
  EXPECT_EQ(content("tmp/d/b"), "A");
}

TEST_F(WasiPath, RenamesFolders) {
  EXPECT_EQ(guest.make_folder("tmp/a"), Errno::success);
  make("tmp/a/f", "x");
  EXPECT_EQ(guest.rename("tmp/a/", "tmp/b/"), Errno::success);
  EXPECT_EQ(content("tmp/b/f"), "x");
  EXPECT_EQ(guest.make_folder("tmp/c"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/c"), Errno::success);
  EXPECT_EQ(content("tmp/c/f"), "x");
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/d", "tmp/c"), Errno::notempty);
  EXPECT_EQ(guest.rename("tmp/d", "tmp/c/f"), Errno::notdir);
  EXPECT_EQ(guest.rename("tmp/c", "tmp/c/inside"), Errno::inval);
  EXPECT_EQ(guest.make_folder("tmp/c/deep"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/c", "tmp/c/deep/er"), Errno::inval);
  EXPECT_EQ(guest.rename("tmp/c/.", "tmp/e"), Errno::busy);
  EXPECT_EQ(guest.rename("tmp/c/deep", "tmp/moved"), Errno::success);
  EXPECT_TRUE(guest.open_read("tmp/moved/../c/f"));
}

TEST_F(WasiPath, HardLinksShareAFile) {
  make("tmp/f", "one");
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
  EXPECT_EQ(content("tmp/g"), "one");
  EXPECT_EQ(guest.stat("tmp/g")->links, 1U);
}

TEST_F(WasiPath, SymbolicLinksAreFollowedWhereAsked) {
  make("tmp/f", "content");
  EXPECT_EQ(guest.symlink("f", "tmp/link"), Errno::success);
  EXPECT_EQ(content("tmp/link"), "content");
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
  EXPECT_EQ(content("tmp/f"), "content");
}

TEST_F(WasiPath, LinkTargetsAreCutToTheBuffer) {
  EXPECT_EQ(guest.symlink("target", "tmp/link"), Errno::success);
  EXPECT_EQ(link_target("tmp/link", 4), "targ");
  EXPECT_EQ(link_target("tmp/link", 0), "");
  EXPECT_EQ(caller.wasi("path_readlink", {3, FakeGuest::path_at, 8, 65530, 100, out}), Errno::fault);
}

TEST_F(WasiPath, LinksLeadThroughFolders) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  make("tmp/d/f", "x");
  EXPECT_EQ(guest.symlink("d/", "tmp/l1"), Errno::success);
  EXPECT_EQ(guest.symlink("../l1/../l1", "tmp/d/l2"), Errno::success);
  EXPECT_EQ(content("tmp/l1/f"), "x");
  EXPECT_EQ(content("tmp/l1//l2/f"), "x");
  EXPECT_TRUE(guest.open("tmp/l1", oflags::directory));
  EXPECT_TRUE(guest.open("tmp/l1/", oflags::directory, 0, 0, 3, false));
  EXPECT_EQ(guest.remove_folder("tmp/l1"), Errno::notdir);
}

TEST_F(WasiPath, DanglingLinksCanBeMadeAndFilled) {
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

TEST_F(WasiPath, LoopsOfLinksEnd) {
  EXPECT_EQ(guest.symlink("self", "tmp/self"), Errno::success);
  EXPECT_EQ(guest.open_read("tmp/self").error(), Errno::loop);
  EXPECT_EQ(guest.open_read("tmp/self/x").error(), Errno::loop);
  EXPECT_EQ(guest.symlink("b", "tmp/a"), Errno::success);
  EXPECT_EQ(guest.symlink("a", "tmp/b"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/a").error(), Errno::loop);
  EXPECT_TRUE(guest.stat("tmp/a", false));
  // A link that makes its own path longer each time.
  EXPECT_EQ(guest.symlink("grow/" + std::string(200, 'x'), "tmp/grow"), Errno::success);
  EXPECT_EQ(guest.open_read("tmp/grow").error(), Errno::nametoolong);
  EXPECT_EQ(guest.unlink("tmp/self"), Errno::success);
}

TEST_F(WasiPath, FortyLinksAreFollowed) {
  make("tmp/l0", "end");
  for (int i = 1; i <= 41; ++i) {
    EXPECT_EQ(guest.symlink("l" + std::to_string(i - 1), "tmp/l" + std::to_string(i)), Errno::success);
  }
  EXPECT_EQ(content("tmp/l40"), "end");
  EXPECT_EQ(guest.open_read("tmp/l41").error(), Errno::loop);
}

TEST_F(WasiPath, TimesAreSetOnLinksOrTheirTargets) {
  make("tmp/f");
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

TEST_F(WasiPath, AFolderListsItsEntries) {
  make("tmp/a");
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

TEST_F(WasiPath, TheRootListsTheImageAndTmp) {
  EXPECT_EQ(guest.list(3)->names, (std::vector<std::string>{".", "..", "etc", "tmp"}));
}

TEST_F(WasiPath, ListingGoesOnFromACookie) {
  for (int i = 0; i < 50; ++i) make("tmp/file" + std::to_string(i));
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

TEST_F(WasiPath, ListingSurvivesRemovalOfWhatWasListed) {
  for (int i = 0; i < 20; ++i) make("tmp/f" + std::to_string(i));
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

TEST_F(WasiPath, ListingIntoTinyBuffersIsCutShort) {
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
