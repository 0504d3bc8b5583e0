// The path_* functions over the tree in memory; links and listings have tests of their own.

#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t huge = 0xffffffff;
constexpr std::uint64_t out = FakeGuest::out_at;

class WasiPath : public testing::Test {
 protected:
  std::uint32_t open_folder(std::string_view path) {
    const auto fd = guest.open(path, oflags::directory);
    EXPECT_TRUE(fd) << path;
    return fd ? *fd : 99;
  }

  FakeCaller caller;
  FakeGuest guest{caller};
};

TEST_F(WasiPath, SmallFilesOfTheSystemAreThere) {
  EXPECT_EQ(guest.content("etc/hosts"), "127.0.0.1\tlocalhost\n");
  EXPECT_TRUE(guest.content("etc/passwd")->starts_with("root:x:0:0:"));
  EXPECT_TRUE(guest.content("etc/resolv.conf"));
}

TEST_F(WasiPath, NothingOfTheMachineIsThere) {
  for (const std::string_view path :
       {"etc/shadow", "../../etc/shadow", "../../../../../../etc/shadow", "etc/../../../etc/shadow",
        "tmp/../../etc/shadow", "proc/self/environ", "dev/null", "home", "./../proc"}) {
    EXPECT_EQ(guest.open_read(path).error(), Errno::noent) << path;
  }
  EXPECT_EQ(guest.open_read("/etc/shadow").error(), Errno::notcapable);
  EXPECT_EQ(guest.open_read("/etc/hosts").error(), Errno::notcapable);
  EXPECT_EQ(guest.content("../../etc/hosts"), "127.0.0.1\tlocalhost\n");
}

TEST_F(WasiPath, AFolderIsAsFarAsItsDescriptorReaches) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.make("tmp/outside"), Errno::success);
  EXPECT_EQ(guest.make("tmp/d/inside"), Errno::success);
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
  EXPECT_EQ(guest.content("tmp/d/absolute"), "127.0.0.1\tlocalhost\n");
}

TEST_F(WasiPath, IsResolvedAsEverywhere) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.make_folder("tmp/d/nested/"), Errno::success);
  EXPECT_EQ(guest.make("tmp/d/nested/file", "x"), Errno::success);
  EXPECT_EQ(guest.content("tmp/d/.//nested/../../d/nested/../nested///./file"), "x");
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
  EXPECT_EQ(guest.make("tmp/f", "content"), Errno::success);
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
  EXPECT_EQ(guest.make("tmp/f", "content"), Errno::success);
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
  EXPECT_EQ(guest.content("etc/hosts"), "127.0.0.1\tlocalhost\n");
}

TEST_F(WasiPath, FoldersAreMadeAndRemoved) {
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::exist);
  EXPECT_EQ(guest.make_folder("tmp/none/d"), Errno::noent);
  EXPECT_EQ(guest.make_folder("tmp/d/."), Errno::exist);
  EXPECT_EQ(guest.make("tmp/d/f"), Errno::success);
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
  EXPECT_EQ(guest.make("tmp/a", "A"), Errno::success);
  EXPECT_EQ(guest.make("tmp/b", "B"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/a", "tmp/c"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/a").error(), Errno::noent);
  EXPECT_EQ(guest.rename("tmp/c", "tmp/b"), Errno::success);
  EXPECT_EQ(guest.content("tmp/b"), "A");
  EXPECT_EQ(guest.rename("tmp/b", "tmp/b"), Errno::success);
  EXPECT_EQ(guest.content("tmp/b"), "A");
  EXPECT_EQ(guest.rename("tmp/none", "tmp/x"), Errno::noent);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/x/"), Errno::notdir);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/d"), Errno::isdir);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/d/b"), Errno::success);
  EXPECT_EQ(guest.content("tmp/d/b"), "A");
}

TEST_F(WasiPath, RenamesFolders) {
  EXPECT_EQ(guest.make_folder("tmp/a"), Errno::success);
  EXPECT_EQ(guest.make("tmp/a/f", "x"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/a/", "tmp/b/"), Errno::success);
  EXPECT_EQ(guest.content("tmp/b/f"), "x");
  EXPECT_EQ(guest.make_folder("tmp/c"), Errno::success);
  EXPECT_EQ(guest.rename("tmp/b", "tmp/c"), Errno::success);
  EXPECT_EQ(guest.content("tmp/c/f"), "x");
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

}  // namespace
}  // namespace canopy::guest
