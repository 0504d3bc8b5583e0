#include "base/disk.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace canopy {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

class Disk : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "diskXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const fs::path& path, const std::string& text) const {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
    return folder_ / path;
  }

  fs::path folder_;
};

TEST_F(Disk, CountsTheBytesOfFiles) {
  const fs::path file = write("a/one", "1234");
  write("a/b/two", "123");
  fs::create_symlink(file, folder_ / "a/link");
  fs::create_directory_symlink(folder_ / "a", folder_ / "a/b/around");
  EXPECT_EQ(disk_bytes(file), 4U);
  EXPECT_EQ(disk_bytes(folder_ / "a"), 7U);
  EXPECT_EQ(disk_bytes(folder_ / "a/link"), 0U);
  EXPECT_EQ(disk_bytes(folder_ / "nothing"), 0U);
}

TEST_F(Disk, KnowsWhatIsYoung) {
  const fs::path file = write("one", "x");
  EXPECT_TRUE(is_young(file, hours(1)));
  fs::last_write_time(file, fs::file_time_type::clock::now() - hours(2));
  EXPECT_FALSE(is_young(file, hours(1)));
  EXPECT_FALSE(is_young(folder_ / "nothing", hours(1)));
}

}  // namespace
}  // namespace canopy
