#include "store/disk.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "store/temp_folder.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class DiskFolder : public testing::Test {
 protected:
  TempFolder temp = *TempFolder::make();
  Folder folder = *Folder::open_or_make(temp.path());
};

TEST(DiskError, SaysWhatWasTriedAndWhatToDo) {
  const Error error = disk_error("write", "/data/format", ENOSPC);
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_EQ(error.message, "cannot write /data/format: No space left on device; free some space there");
}

TEST(TempFolder, IsGoneWithItsObject) {
  fs::path path;
  {
    const TempFolder temp = *TempFolder::make();
    path = temp.path();
    fs::create_directories(path / "a" / "b");
    EXPECT_TRUE(fs::exists(path / "a" / "b"));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(Descriptor, ClosesWhatItOwns) {
  const int number = open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    Descriptor a(number);
    Descriptor b(std::move(a));
    a = std::move(b);
    EXPECT_TRUE(a);
    EXPECT_FALSE(b);  // NOLINT(bugprone-use-after-move): an empty one is what a move leaves.
    EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(DiskFolder, LooksWithoutFollowing) {
  std::ofstream(temp.path() / "file") << "12345";
  fs::create_symlink("file", temp.path() / "link");
  EXPECT_EQ((*folder.look("file"))->size_bytes, 5);
  EXPECT_TRUE((*folder.look("file"))->plain);
  EXPECT_FALSE((*folder.look("link"))->plain);
  EXPECT_FALSE(folder.look("missing")->has_value());
}

TEST_F(DiskFolder, ReadsSmallFilesOnly) {
  std::ofstream(temp.path() / "file") << "12345";
  fs::create_symlink("file", temp.path() / "link");
  fs::create_directory(temp.path() / "folder");
  EXPECT_EQ(**folder.read("file", 5), "12345");
  const auto longer = folder.read("file", 4);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, Code::too_large);
  EXPECT_FALSE(folder.read("missing", 5)->has_value());
  EXPECT_EQ(folder.read("link", 5).error().code, Code::unavailable);
  EXPECT_EQ(folder.read("folder", 5).error().code, Code::unavailable);
  EXPECT_EQ(*folder.read_head("file", 3), "123");
  EXPECT_EQ(*folder.read_head("file", 30), "12345");
  EXPECT_EQ(folder.read_head("missing", 3).error().code, Code::not_found);
}

TEST_F(DiskFolder, WriteNewTouchesNothingThatIsThere) {
  std::ofstream(temp.path() / "file") << "old";
  fs::create_symlink("nowhere", temp.path() / "link");
  for (const char* name : {"file", "link"}) {
    EXPECT_EQ(folder.write_new(name, {.content = "new", .mode = 0600, .changed = {}}).error().code,
              Code::unavailable);
  }
  EXPECT_EQ(content(temp.path() / "file"), "old");
  EXPECT_FALSE(fs::exists(temp.path() / "nowhere"));
}

TEST_F(DiskFolder, WriteNewSetsModeAndTime) {
  const WallTime time(std::chrono::milliseconds(1'234'567));
  ASSERT_TRUE(folder.write_new("file", {.content = "x", .mode = 0400, .changed = time}));
  EXPECT_EQ(fs::status(temp.path() / "file").permissions(), fs::perms::owner_read);
  EXPECT_EQ((*folder.look("file"))->changed, time);
  const WallTime before_1970(std::chrono::milliseconds(-1'500));
  ASSERT_TRUE(folder.set_changed("file", before_1970));
  EXPECT_EQ((*folder.look("file"))->changed, before_1970);
}

TEST_F(DiskFolder, ReplacePutsTheNewInPlaceOfAnything) {
  std::ofstream(temp.path() / "target") << "target";
  fs::create_symlink("target", temp.path() / "file");
  std::ofstream(temp.path() / "file.new") << "left by a crash";
  ASSERT_TRUE(folder.replace("file", "new"));
  EXPECT_EQ(content(temp.path() / "file"), "new");
  EXPECT_FALSE(fs::is_symlink(temp.path() / "file"));
  EXPECT_EQ(content(temp.path() / "target"), "target");
  EXPECT_FALSE(fs::exists(temp.path() / "file.new"));
  fs::create_directory(temp.path() / "folder");
  EXPECT_FALSE(folder.replace("folder", "new"));
  EXPECT_FALSE(fs::exists(temp.path() / "folder.new"));
}

TEST_F(DiskFolder, ChildrenAreFoldersAndNoLinks) {
  EXPECT_EQ(folder.child("a", Folder::Missing::fails).error().code, Code::not_found);
  const auto child = folder.child("a", Folder::Missing::make);
  ASSERT_TRUE(child);
  EXPECT_EQ(child->path(), folder.path() / "a");
  fs::create_directory_symlink("a", temp.path() / "link");
  std::ofstream(temp.path() / "file") << "x";
  for (const char* name : {"link", "file"}) {
    const auto refused = folder.child(name, Folder::Missing::make);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unavailable);
    const bool is_link = std::string_view(name) == "link";
    const bool says_link =
        refused.error().message.find("symbolic links are not followed") != std::string::npos;
    EXPECT_EQ(says_link, is_link) << refused.error().message;
  }
  const auto below = Folder::open_or_make(temp.path() / "file" / "data" / "deep");
  ASSERT_FALSE(below);
  EXPECT_NE(below.error().message.find("file is a file; move it away"), std::string::npos)
      << below.error().message;
}

TEST_F(DiskFolder, RemovesAndListsAndMoves) {
  std::ofstream(temp.path() / "b") << "x";
  const Folder child = *folder.child("a", Folder::Missing::make);
  ASSERT_TRUE(folder.move("b", child, "c"));
  EXPECT_EQ(*child.names(), std::vector<std::string>{"c"});
  EXPECT_EQ(*folder.names(), std::vector<std::string>{"a"});
  EXPECT_TRUE(child.remove("c"));
  EXPECT_TRUE(child.remove("c"));
  EXPECT_TRUE(child.names()->empty());
  EXPECT_FALSE(folder.remove("a"));
  EXPECT_FALSE(folder.move("missing", child, "c"));
  EXPECT_EQ(folder.sync_content("missing").error().code, Code::not_found);
}

TEST(Sha256OfFile, IsOfItsContent) {
  const TempFolder temp = *TempFolder::make();
  const std::string content(1'000'000, 'x');
  std::ofstream(temp.path() / "file", std::ios::binary) << content;
  EXPECT_EQ(*sha256_hex_of_file(temp.path() / "file"), sha256_hex(content));
}

TEST(Sha256OfFile, FailsWhereThereIsNone) {
  const TempFolder temp = *TempFolder::make();
  std::filesystem::create_symlink("/etc/passwd", temp.path() / "link");
  EXPECT_EQ(sha256_hex_of_file(temp.path() / "missing").error().code, Code::not_found);
  EXPECT_EQ(sha256_hex_of_file(temp.path() / "link").error().code, Code::unavailable);
  EXPECT_EQ(sha256_hex_of_file(temp.path()).error().code, Code::unavailable);
}

}  // namespace
}  // namespace canopy::store
