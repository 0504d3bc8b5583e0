#include "guest/mapped_file.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "guest/host.h"

namespace canopy::guest {
namespace {

class MappedFiles : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, const std::string& content) {
    const auto path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("mapped_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(MappedFiles, ShowTheContent) {
  const std::string content("some\0thing", 10);
  const auto mapped = map_file(file("a", content));
  ASSERT_TRUE(mapped);
  EXPECT_EQ((*mapped)->bytes(), content);
}

TEST_F(MappedFiles, MayBeEmpty) {
  const auto mapped = map_file(file("a", ""));
  ASSERT_TRUE(mapped);
  EXPECT_EQ((*mapped)->bytes(), "");
}

TEST_F(MappedFiles, SayWhichOneIsMissing) {
  const auto mapped = map_file(folder_ / "nowhere");
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().code, Code::not_found);
  EXPECT_NE(mapped.error().message.find("nowhere: No such file"), std::string::npos);
}

TEST_F(MappedFiles, AreFilesOnly) {
  const auto mapped = map_file(folder_);
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().code, Code::unavailable);
}

TEST_F(MappedFiles, AreSharedByDigestWhileInUse) {
  int found = 0;
  const auto load = make_file_loader([&](std::string_view digest) -> Result<std::filesystem::path> {
    ++found;
    if (digest == "none") return fail(Code::not_found, "no such digest");
    return file(std::string(digest), "content");
  });
  auto first = load("d1");
  auto second = load("d1");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(found, 1);
  first->reset();
  second->reset();
  EXPECT_TRUE(load("d1"));
  EXPECT_EQ(found, 2);
  EXPECT_EQ(load("none").error().code, Code::not_found);
}

// So that no call waits for the disk on its core.
TEST_F(MappedFiles, AreThereBeforeTheFirstCallReadsThem) {
  int found = 0;
  GuestOptions options;
  options.load_file = make_file_loader([&](std::string_view digest) -> Result<std::filesystem::path> {
    ++found;
    if (digest == "none") return fail(Code::not_found, "no such digest");
    return file(std::string(digest), "content");
  });
  const FileLoader load = options.load_file;
  const wasm::Host host = make_host(options);
  const auto warm = host.warm_up({{"a", "d1", 7}, {"lost", "none", 7}});
  EXPECT_EQ(found, 2);
  const auto again = load("d1");
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->bytes(), "content");
  EXPECT_EQ(found, 2);
  EXPECT_EQ(host.warm_up({}), nullptr);
}

}  // namespace
}  // namespace canopy::guest
