#include "base/whole_folders.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

namespace canopy {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

class WholeFoldersTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "wholeXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path begin(const std::string& text) const {
    const auto made = folders().begin("a");
    EXPECT_TRUE(made) << made.error().message;
    std::ofstream(*made / "file") << text;
    return *made;
  }
  WholeFolders folders() const { return WholeFolders(folder_ / "all"); }
  std::string read() const {
    std::ifstream file(folders().path("a") / "file");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t count() const {
    const auto end = fs::directory_iterator();
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_ / "all"), end));
  }
  void grow_old(const std::string& name) const {
    fs::last_write_time(folder_ / "all" / name, fs::file_time_type::clock::now() - hours(2));
  }
  static bool nobody(const std::string& /*name*/) { return false; }

  fs::path folder_;
};

TEST_F(WholeFoldersTest, AreThereOnceTheyAreWhole) {
  const fs::path made = begin("first");
  EXPECT_FALSE(folders().renew("a"));
  EXPECT_TRUE(folders().finish(made, "a"));
  EXPECT_TRUE(folders().renew("a"));
  EXPECT_EQ(read(), "first");
  EXPECT_EQ(count(), 1U);
}

// Somebody may be at work in the one that is there.
TEST_F(WholeFoldersTest, OfTwoThatAreMadeAtOnceTheFirstStays) {
  const fs::path first = begin("first");
  const fs::path second = begin("second");
  EXPECT_NE(first, second);
  EXPECT_TRUE(folders().finish(first, "a"));
  EXPECT_TRUE(folders().finish(second, "a"));
  EXPECT_EQ(read(), "first");
  EXPECT_EQ(count(), 1U);
}

TEST_F(WholeFoldersTest, OneThatIsNotWholeMakesWay) {
  fs::create_directories(folder_ / "all/a/rest");
  EXPECT_FALSE(folders().renew("a"));
  EXPECT_TRUE(folders().finish(begin("new"), "a"));
  EXPECT_EQ(read(), "new");
  EXPECT_FALSE(fs::exists(folder_ / "all/a/rest"));
}

TEST_F(WholeFoldersTest, WhatCannotBeMadeIsSaid) {
  std::ofstream(folder_ / "all") << "a file";
  EXPECT_EQ(folders().begin("a").error().code, Code::unavailable);
}

TEST_F(WholeFoldersTest, AreSweptOnceTheyAreOldAndNobodysOwn) {
  ASSERT_TRUE(folders().finish(begin("12345"), "a"));
  const auto sweep = [this](const std::set<std::string>& names, const WholeFolders::InUse& in_use,
                            const WholeFolders::OnDrop& on_drop = nullptr) {
    return *folders().sweep(names, hours(1), in_use, on_drop);
  };
  EXPECT_EQ(sweep({}, nobody), 0U);  // It is young.
  grow_old("a/ready");
  EXPECT_EQ(sweep({"a"}, nobody), 0U);
  EXPECT_EQ(sweep({}, [](const std::string& name) { return name == "a"; }), 0U);
  bool was_there = false;
  EXPECT_EQ(sweep({}, nobody, [&](const std::string& name) { was_there = fs::exists(folders().path(name)); }),
            5U);
  EXPECT_TRUE(was_there);
  EXPECT_EQ(count(), 0U);
}

TEST_F(WholeFoldersTest, HalvesAreSweptToo) {
  const fs::path made = begin("1234");
  EXPECT_EQ(*folders().sweep({}, hours(1), nobody), 0U);
  grow_old(made.filename());
  EXPECT_EQ(*folders().sweep({}, hours(1), nobody), 4U);
  EXPECT_EQ(count(), 0U);
}

}  // namespace
}  // namespace canopy
