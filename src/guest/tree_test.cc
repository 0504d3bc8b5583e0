// The parts of the tree that the imports do not show by themselves: the image of a function's own files,
// and the limits of /tmp.

#include "guest/tree.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

Function with_files(std::initializer_list<FunctionFile> files) {
  Function function;
  function.name = {"demo", "files"};
  function.version = 1;
  function.created = WallTime(std::chrono::seconds(1000));
  function.files = files;
  return function;
}

GuestOptions with_content(std::string_view content, int* loads = nullptr) {
  GuestOptions options;
  options.load_file = [content, loads](std::string_view digest) -> Result<std::shared_ptr<const MappedFile>> {
    if (loads != nullptr) ++*loads;
    if (digest == "gone") return fail(Code::not_found, "no such digest");
    const auto path = std::filesystem::path(testing::TempDir()) / "tree_test_content";
    std::ofstream(path, std::ios::binary) << content;
    return map_file(path);
  };
  return options;
}

TEST(Image, ShowsTheFunctionsFiles) {
  int loads = 0;
  FakeCaller caller(with_files({{"data.txt", "d1", 7}, {"lib/a/b.py", "d2", 7}, {"lib/c.py", "d3", 7}}),
                    with_content("content", &loads));
  FakeGuest guest(caller);
  EXPECT_EQ(guest.list(3)->names, (std::vector<std::string>{".", "..", "data.txt", "etc", "lib", "tmp"}));
  EXPECT_EQ(guest.stat("lib/a/b.py")->size, 7U);
  EXPECT_EQ(guest.stat("lib/a/b.py")->modified, 1'000'000'000'000U);
  EXPECT_EQ(loads, 0);
  const auto fd = guest.open_read("lib/a/b.py");
  ASSERT_TRUE(fd);
  EXPECT_EQ(guest.read(*fd, 4), "cont");
  EXPECT_EQ(guest.read(*fd, 100), "ent");
  EXPECT_EQ(guest.read(*fd, 100), "");
  EXPECT_EQ(loads, 1);
  const auto folder = guest.open("lib", oflags::directory);
  ASSERT_TRUE(folder);
  EXPECT_EQ(guest.list(*folder)->names, (std::vector<std::string>{".", "..", "a", "c.py"}));
}

TEST(Image, IsSharedByTheCallsOfAFunction) {
  int loads = 0;
  FakeCaller caller(with_files({{"data.txt", "d1", 7}}), with_content("content", &loads));
  for (int call = 0; call < 3; ++call) {
    FakeGuest guest(caller);
    const auto fd = guest.open_read("data.txt");
    ASSERT_TRUE(fd);
    EXPECT_EQ(guest.read(*fd), "content");
    caller.restart();
  }
  EXPECT_EQ(loads, 1);
}

TEST(Image, AFunctionsFileWinsOverOurs) {
  FakeCaller caller(with_files({{"etc/hosts", "d1", 7}, {"tmp/hidden", "d2", 7}}), with_content("content"));
  FakeGuest guest(caller);
  EXPECT_EQ(guest.read(*guest.open_read("etc/hosts")), "content");
  EXPECT_TRUE(guest.open_read("etc/passwd"));
  EXPECT_EQ(guest.open_read("tmp/hidden").error(), Errno::noent);
  EXPECT_EQ(guest.make_folder("tmp/own"), Errno::success);
}

TEST(Image, LeavesOutWhatClashesOrIsNoPath) {
  FakeCaller caller(with_files({{"a", "d", 1},
                                {"a/b", "d", 1},
                                {"c/d", "d", 1},
                                {"c", "d", 1},
                                {"../up", "d", 1},
                                {"/abs", "d", 1},
                                {"x//y", "d", 1},
                                {"", "d", 1},
                                {"z/", "d", 1},
                                {"./w", "d", 1},
                                {"tmp", "d", 1}}));
  FakeGuest guest(caller);
  EXPECT_EQ(guest.stat("a")->filetype, Filetype::regular_file);
  EXPECT_EQ(guest.stat("c")->filetype, Filetype::directory);
  EXPECT_EQ(guest.stat("tmp")->filetype, Filetype::directory);
  for (const std::string_view gone : {"up", "abs", "x/y", "w"}) {
    EXPECT_EQ(guest.stat(gone).error(), Errno::noent) << gone;
  }
}

TEST(Image, AFileThatCannotBeLoadedIsAnError) {
  FakeCaller caller(with_files({{"data.txt", "gone", 7}}), with_content("content"));
  FakeGuest guest(caller);
  const auto fd = guest.open_read("data.txt");
  ASSERT_TRUE(fd);
  EXPECT_EQ(guest.read(*fd).error(), Errno::io);
}

TEST(Image, WithoutALoaderFilesCannotBeRead) {
  FakeCaller caller(with_files({{"data.txt", "d1", 7}}));
  FakeGuest guest(caller);
  EXPECT_EQ(guest.read(*guest.open_read("data.txt")).error(), Errno::io);
}

TEST(ImageCache, KeepsVersionsApart) {
  ImageCache cache({});
  Function function = with_files({{"a", "d", 1}});
  const auto first = cache.image_of(function);
  EXPECT_EQ(cache.image_of(function), first);
  function.version = 2;
  function.files[0].path = "b";
  const auto second = cache.image_of(function);
  EXPECT_NE(second, first);
  EXPECT_NE(second->root().find("b"), nullptr);
  EXPECT_EQ(second->root().find("a"), nullptr);
}

TEST(ImageCache, HoldsABoundedNumber) {
  ImageCache cache({});
  std::weak_ptr<const FileImage> first;
  for (std::uint32_t version = 1; version <= 600; ++version) {
    Function function = with_files({{"a", "d", 1}});
    function.version = version;
    const auto image = cache.image_of(function);
    if (version == 1) first = image;
  }
  EXPECT_TRUE(first.expired());
}

// ---- The limits of /tmp.

Function with_tmp(std::uint64_t bytes) {
  Function function;
  function.limits.tmp_bytes = bytes;
  return function;
}

TEST(Tmp, IsFullAtItsLimit) {
  FakeCaller caller(with_tmp(100 * KiB));
  FakeGuest guest(caller);
  const auto fd = guest.create("tmp/f");
  ASSERT_TRUE(fd);
  std::uint64_t total = 0;
  Errno end = Errno::success;
  for (int i = 0; i < 100; ++i) {
    const auto put = guest.write(*fd, std::string(4000, 'x'));
    if (!put) {
      end = put.error();
      break;
    }
    total += *put;
  }
  EXPECT_EQ(end, Errno::nospc);
  EXPECT_GT(total, 90'000U);
  EXPECT_LE(total, 100 * KiB);
  EXPECT_EQ(guest.stat(*fd)->size, total);
}

TEST(Tmp, WritesWhatFits) {
  FakeCaller caller(with_tmp(10 * KiB));
  FakeGuest guest(caller);
  const auto fd = guest.create("tmp/f");
  ASSERT_TRUE(fd);
  const auto put = guest.write(*fd, std::string(20'000, 'x'));
  ASSERT_TRUE(put);
  EXPECT_EQ(*put, 8192U);
  EXPECT_EQ(guest.write(*fd, "x").error(), Errno::nospc);
}

TEST(Tmp, IsGivenBack) {
  FakeCaller caller(with_tmp(64 * KiB));
  FakeGuest guest(caller);
  for (int round = 0; round < 100; ++round) {
    const auto fd = guest.create("tmp/f");
    ASSERT_TRUE(fd) << round;
    ASSERT_EQ(guest.write(*fd, std::string(40'000, 'x')), 40'000U) << round;
    switch (round % 3) {
      case 0:
        EXPECT_EQ(guest.close(*fd), Errno::success);
        EXPECT_EQ(guest.unlink("tmp/f"), Errno::success);
        break;
      case 1:
        EXPECT_EQ(guest.unlink("tmp/f"), Errno::success);
        EXPECT_EQ(guest.close(*fd), Errno::success);
        break;
      default:
        EXPECT_EQ(caller.wasi("fd_filestat_set_size", {*fd, 0}), Errno::success);
        EXPECT_EQ(guest.close(*fd), Errno::success);
        EXPECT_EQ(guest.rename("tmp/f", "tmp/g"), Errno::success);
    }
  }
}

TEST(Tmp, AMillionEmptyFilesAreTooMany) {
  FakeCaller caller(with_tmp(2 * MiB));
  FakeGuest guest(caller);
  int made = 0;
  for (; made < 1'000'000; ++made) {
    const auto fd = guest.create("tmp/" + std::to_string(made));
    if (!fd) {
      EXPECT_EQ(fd.error(), Errno::nospc);
      break;
    }
    ASSERT_EQ(guest.close(*fd), Errno::success);
  }
  EXPECT_GT(made, 1'500);
  EXPECT_LT(made, 10'000);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::nospc);
  EXPECT_EQ(guest.symlink("x", "tmp/l"), Errno::nospc);
  EXPECT_EQ(guest.unlink("tmp/0"), Errno::success);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::success);
}

TEST(Tmp, FoldersMayBeNestedAsDeepAsTheyFit) {
  FakeCaller caller(with_tmp(1 * MiB));
  FakeGuest guest(caller);
  auto fd = guest.open("tmp", oflags::directory);
  ASSERT_TRUE(fd);
  int depth = 0;
  for (; depth < 100'000; ++depth) {
    if (guest.on_path("path_create_directory", "d", *fd) != Errno::success) break;
    const auto next = guest.open("d", oflags::directory, rights::of_folder, 0, *fd);
    ASSERT_TRUE(next);
    ASSERT_EQ(guest.close(*fd), Errno::success);
    fd = next;
  }
  EXPECT_GT(depth, 1000);
  EXPECT_LT(depth, 10'000);
  caller.restart();  // Drops them all, without descending as deep.
}

TEST(Tmp, HolesCostLittleButNotNothing) {
  FakeCaller caller(with_tmp(MiB));
  FakeGuest guest(caller);
  int made = 0;
  for (; made < 100'000; ++made) {
    const auto fd = guest.create("tmp/" + std::to_string(made));
    if (!fd || caller.wasi("fd_filestat_set_size", {*fd, MiB}) != Errno::success) break;
    ASSERT_EQ(guest.close(*fd), Errno::success);
  }
  EXPECT_GT(made, 100);
  EXPECT_LT(made, 1000);
}

TEST(Tmp, OfNoSizeTakesNothing) {
  FakeCaller caller(with_tmp(0));
  FakeGuest guest(caller);
  EXPECT_EQ(guest.create("tmp/f").error(), Errno::nospc);
  EXPECT_EQ(guest.make_folder("tmp/d"), Errno::nospc);
  const auto folder = guest.open_read("tmp");
  ASSERT_TRUE(folder) << static_cast<int>(folder.error());
  const auto listed = guest.list(*folder);
  ASSERT_TRUE(listed) << static_cast<int>(listed.error());
  EXPECT_EQ(listed->names, (std::vector<std::string>{".", ".."}));
}

TEST(Tmp, ALinkToNothingCostsItsTarget) {
  FakeCaller caller(with_tmp(64 * KiB));
  FakeGuest guest(caller);
  int made = 0;
  while (guest.symlink(std::string(4000, 'x'), "tmp/" + std::to_string(made)) == Errno::success) ++made;
  EXPECT_LE(made, 16);
  EXPECT_GE(made, 10);
}

TEST(Tmp, TruncatedContentDoesNotComeBack) {
  FakeCaller caller;
  FakeGuest guest(caller);
  const auto fd = guest.create("tmp/f");
  ASSERT_TRUE(fd);
  ASSERT_TRUE(guest.write(*fd, std::string(9000, 'x')));
  for (const std::uint64_t size : {5000U, 4096U, 10U}) {
    EXPECT_EQ(caller.wasi("fd_filestat_set_size", {*fd, size}), Errno::success);
    EXPECT_EQ(caller.wasi("fd_filestat_set_size", {*fd, 9000}), Errno::success);
    EXPECT_EQ(guest.seek(*fd, static_cast<std::int64_t>(size), Whence::set), size);
    const auto rest = guest.read(*fd, 9000);
    ASSERT_TRUE(rest);
    EXPECT_EQ(*rest, std::string(9000 - size, '\0'));
  }
}

}  // namespace
}  // namespace canopy::guest
