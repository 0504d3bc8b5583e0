// Folders of the machine, as `canopy run --dir` shows them to a guest: against a real folder.

#include "guest/host_folder.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

namespace fs = std::filesystem;

class HostFolder : public testing::Test {
 protected:
  HostFolder() {
    base = fs::path(testing::TempDir()) /
           ("host_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(base);
    fs::create_directories(base / "shown");
    std::ofstream(base / "outside") << "secret";
    auto folder = map_folder((base / "shown").string() + "::/");
    EXPECT_TRUE(folder);
    GuestOptions options;
    options.local.emplace().folders.push_back(*std::move(folder));
    caller = std::make_unique<FakeCaller>(Function{}, options);
    guest = std::make_unique<FakeGuest>(*caller);
  }
  void TearDown() override { fs::remove_all(base); }

  std::string on_disk(const std::string& path) {
    std::ifstream file(base / "shown" / path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path base;
  std::unique_ptr<FakeCaller> caller;
  std::unique_ptr<FakeGuest> guest;
};

TEST(MapFolder, SaysWhatIsWrong) {
  EXPECT_EQ(map_folder("").error().code, Code::invalid);
  EXPECT_EQ(map_folder("::/x").error().code, Code::invalid);
  EXPECT_EQ(map_folder("/tmp::").error().code, Code::invalid);
  const auto missing = map_folder("/does/not/exist::/x");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_NE(missing.error().message.find("/does/not/exist"), std::string::npos);
  EXPECT_EQ(map_folder("/etc/passwd").error().code, Code::invalid);
  const auto same = map_folder("/tmp");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->guest_path, "/tmp");
}

TEST_F(HostFolder, IsTheFirstPreopen) {
  ASSERT_EQ(caller->wasi("fd_prestat_get", {3, 0}), Errno::success);
  EXPECT_EQ(caller->at<WasiPrestat>(0).name_size, 1U);
  EXPECT_EQ(caller->wasi("fd_prestat_get", {4, 0}), Errno::badf);
}

TEST(LocalRun, KeepsTheTreeBesideMappedFolders) {
  auto folder = map_folder("/tmp::work");
  ASSERT_TRUE(folder);
  GuestOptions options;
  options.local.emplace().folders.push_back(*std::move(folder));
  FakeCaller caller({}, options);
  FakeGuest guest(caller);
  ASSERT_EQ(caller.wasi("fd_prestat_dir_name", {3, 0, 4}), Errno::success);
  EXPECT_EQ(caller.text(0, 4), "work");
  ASSERT_EQ(caller.wasi("fd_prestat_dir_name", {4, 0, 1}), Errno::success);
  EXPECT_EQ(caller.text(0, 1), "/");
  EXPECT_TRUE(guest.open("etc/hosts", 0, rights::fd_read, 0, 4));
  // Files do not move from one to the other.
  EXPECT_TRUE(guest.open("tmp/f", oflags::creat, rights::all, 0, 4));
  caller.put_text(FakeGuest::path_at, "tmp/f");
  EXPECT_EQ(caller.wasi("path_rename", {4, FakeGuest::path_at, 5, 3, FakeGuest::path_at, 5}), Errno::xdev);
  EXPECT_EQ(caller.wasi("path_rename", {3, FakeGuest::path_at, 5, 4, FakeGuest::path_at, 5}), Errno::xdev);
  EXPECT_EQ(caller.wasi("path_link", {3, 0, FakeGuest::path_at, 5, 4, FakeGuest::path_at, 5}), Errno::xdev);
}

TEST_F(HostFolder, FilesAreReal) {
  EXPECT_EQ(guest->make("f", "content"), Errno::success);
  EXPECT_EQ(on_disk("f"), "content");
  const auto fd = guest->open("f");
  ASSERT_TRUE(fd);
  EXPECT_EQ(guest->read(*fd, 4), "cont");
  EXPECT_EQ(guest->read(*fd, 100), "ent");
  EXPECT_EQ(guest->seek(*fd, 2, Whence::set), 2U);
  EXPECT_TRUE(guest->write(*fd, "XX"));
  EXPECT_EQ(on_disk("f"), "coXXent");
  EXPECT_EQ(caller->wasi("fd_filestat_set_size", {*fd, 3}), Errno::success);
  EXPECT_EQ(guest->stat("f")->size, 3U);
  EXPECT_EQ(caller->wasi("fd_allocate", {*fd, 0, 100}), Errno::success);
  EXPECT_EQ(guest->stat(*fd)->size, 100U);
  EXPECT_EQ(caller->wasi("fd_sync", {*fd}), Errno::success);
  EXPECT_EQ(caller->wasi("fd_datasync", {*fd}), Errno::success);
}

TEST_F(HostFolder, NothingOutsideCanBeReached) {
  EXPECT_EQ(guest->open_read("../outside").error(), Errno::notcapable);
  EXPECT_EQ(guest->open_read("/etc/passwd").error(), Errno::notcapable);
  EXPECT_EQ(guest->open_read("x/../../outside").error(), Errno::noent);
  EXPECT_EQ(guest->make_folder("../made"), Errno::notcapable);
  EXPECT_EQ(guest->unlink("../outside"), Errno::notcapable);
  EXPECT_EQ(guest->remove_folder(".."), Errno::inval);
  EXPECT_EQ(guest->rename("../outside", "stolen"), Errno::notcapable);
  EXPECT_EQ(guest->link("../outside", "stolen"), Errno::notcapable);
  EXPECT_EQ(guest->stat("../outside").error(), Errno::notcapable);
  EXPECT_EQ(guest->symlink("/etc/passwd", "link"), Errno::notcapable);
  fs::create_symlink("../outside", base / "shown" / "planted");
  fs::create_symlink("/etc/passwd", base / "shown" / "absolute");
  fs::create_symlink("..", base / "shown" / "up");
  EXPECT_EQ(guest->open_read("planted").error(), Errno::notcapable);
  EXPECT_EQ(guest->open_read("absolute").error(), Errno::notcapable);
  EXPECT_EQ(guest->open_read("up/outside").error(), Errno::notcapable);
  EXPECT_EQ(guest->stat("absolute").error(), Errno::notcapable);
  EXPECT_EQ(guest->link("planted", "stolen", true), Errno::notcapable);
  EXPECT_EQ(guest->unlink("up/outside"), Errno::notcapable);
  EXPECT_EQ(guest->make_folder("up/made"), Errno::notcapable);
  EXPECT_TRUE(fs::exists(base / "outside"));
  EXPECT_FALSE(fs::exists(base / "made"));
}

TEST_F(HostFolder, OpensAsAsked) {
  EXPECT_EQ(guest->make("f", "content"), Errno::success);
  EXPECT_EQ(guest->open("f", oflags::creat | oflags::excl).error(), Errno::exist);
  EXPECT_EQ(guest->open("none").error(), Errno::noent);
  EXPECT_EQ(guest->open("f", oflags::directory).error(), Errno::notdir);
  EXPECT_EQ(guest->open("f/").error(), Errno::notdir);
  EXPECT_EQ(guest->make_folder("d"), Errno::success);
  EXPECT_EQ(guest->open("d", 0, rights::fd_write).error(), Errno::isdir);
  EXPECT_TRUE(guest->open("d", oflags::directory));
  EXPECT_TRUE(guest->open("f", oflags::trunc, 0));
  EXPECT_EQ(on_disk("f"), "");
  const auto fd = guest->open("f", 0, rights::fd_read);
  ASSERT_TRUE(fd);
  EXPECT_EQ(guest->write(*fd, "x").error(), Errno::badf);
}

TEST_F(HostFolder, AppendedDataGoesToTheEndButPositionedDoesNot) {
  const auto fd = guest->open("f", oflags::creat, rights::all, fdflags::append);
  ASSERT_TRUE(fd);
  EXPECT_TRUE(guest->write(*fd, "one"));
  EXPECT_EQ(guest->seek(*fd, 0, Whence::set), 0U);
  EXPECT_TRUE(guest->write(*fd, "two"));
  caller->put_text(100, "X");
  caller->put(200, WasiIovec{100, 1});
  EXPECT_EQ(caller->wasi("fd_pwrite", {*fd, 200, 1, 0, 208}), Errno::success);
  EXPECT_EQ(on_disk("f"), "Xnetwo");
}

TEST_F(HostFolder, FoldersAreMadeRenamedAndRemoved) {
  EXPECT_EQ(guest->make_folder("d/"), Errno::success);
  EXPECT_EQ(guest->make_folder("d"), Errno::exist);
  EXPECT_EQ(guest->make_folder("."), Errno::exist);
  EXPECT_EQ(guest->make("d/f", "x"), Errno::success);
  EXPECT_EQ(guest->remove_folder("d"), Errno::notempty);
  EXPECT_EQ(guest->unlink("d"), Errno::isdir);
  EXPECT_EQ(guest->unlink("d/"), Errno::isdir);
  EXPECT_EQ(guest->unlink("d/f/"), Errno::notdir);
  EXPECT_EQ(guest->rename("d/", "e/"), Errno::success);
  EXPECT_EQ(on_disk("e/f"), "x");
  EXPECT_EQ(guest->rename("e/f", "e/g"), Errno::success);
  EXPECT_EQ(guest->remove_folder("e/g"), Errno::notdir);
  EXPECT_EQ(guest->unlink("e/g"), Errno::success);
  EXPECT_EQ(guest->remove_folder("e/"), Errno::success);
  EXPECT_EQ(guest->rename(".", "x"), Errno::busy);
}

TEST_F(HostFolder, LinksAreMadeReadAndFollowed) {
  EXPECT_EQ(guest->make("f", "content"), Errno::success);
  EXPECT_EQ(guest->symlink("f", "link"), Errno::success);
  EXPECT_EQ(guest->symlink("f", "link"), Errno::exist);
  EXPECT_EQ(guest->symlink("x", "other/"), Errno::noent);
  EXPECT_EQ(guest->open("link", 0, rights::fd_read, 0, 3, false).error(), Errno::loop);
  EXPECT_TRUE(guest->open_read("link"));
  EXPECT_EQ(guest->stat("link", false)->filetype, Filetype::symbolic_link);
  caller->put_text(FakeGuest::path_at, "link");
  EXPECT_EQ(caller->wasi("path_readlink", {3, FakeGuest::path_at, 4, 0, 100, 200}), Errno::success);
  EXPECT_EQ(caller->text(0, caller->at<std::uint32_t>(200)), "f");
  EXPECT_EQ(guest->link("f", "hard"), Errno::success);
  EXPECT_EQ(guest->stat("hard")->inode, guest->stat("f")->inode);
  EXPECT_EQ(guest->link("link", "hardlink"), Errno::success);
  EXPECT_EQ(guest->stat("hardlink", false)->filetype, Filetype::symbolic_link);
  EXPECT_EQ(guest->link("link", "followed", true), Errno::success);
  EXPECT_EQ(guest->stat("followed", false)->filetype, Filetype::regular_file);
  EXPECT_EQ(guest->link("f", "hard"), Errno::exist);
  EXPECT_EQ(guest->link("f", "new/"), Errno::noent);
  EXPECT_EQ(guest->make_folder("d"), Errno::success);
  EXPECT_EQ(guest->link("d", "e"), Errno::perm);
  EXPECT_EQ(guest->symlink("loop", "loop"), Errno::success);
  EXPECT_EQ(guest->open_read("loop").error(), Errno::loop);
}

TEST_F(HostFolder, TimesAreSet) {
  EXPECT_EQ(guest->make("f"), Errno::success);
  EXPECT_EQ(guest->symlink("f", "link"), Errno::success);
  caller->put_text(FakeGuest::path_at, "link");
  const auto set = [&](std::uint64_t follow, std::uint64_t modified) {
    return caller->wasi("path_filestat_set_times",
                        {3, follow, FakeGuest::path_at, 4, 0, modified, fstflags::mtim});
  };
  EXPECT_EQ(set(0, 1'000'000'011), Errno::success);
  EXPECT_EQ(set(1, 2'000'000'022), Errno::success);
  EXPECT_EQ(guest->stat("link", false)->modified, 1'000'000'011U);
  EXPECT_EQ(guest->stat("f")->modified, 2'000'000'022U);
}

TEST_F(HostFolder, ListsInPieces) {
  for (int i = 0; i < 30; ++i) EXPECT_EQ(guest->make("file" + std::to_string(i)), Errno::success);
  const auto fd = guest->open(".", oflags::directory);
  ASSERT_TRUE(fd);
  std::size_t count = 0;
  std::uint64_t cookie = 0;
  for (int round = 0; round < 100; ++round) {
    const auto listed = guest->list(*fd, 128, cookie);
    ASSERT_TRUE(listed);
    count += listed->names.size();
    if (listed->used < 128) break;
    cookie = listed->cookie;
  }
  EXPECT_EQ(count, 32U);
  EXPECT_EQ(caller->wasi("fd_readdir", {*fd, 0, 100, ~std::uint64_t{0}, 200}), Errno::inval);
}

TEST_F(HostFolder, EachCallHasItsOwnPlaceInAListing) {
  EXPECT_EQ(guest->make("a"), Errno::success);
  EXPECT_EQ(guest->list(3)->names.size(), 3U);
  caller->restart();
  EXPECT_EQ(guest->list(3)->names.size(), 3U);
}

}  // namespace
}  // namespace canopy::guest
