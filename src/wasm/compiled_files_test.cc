#include "wasm/compiled_files.h"

#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "wasm/engine.h"

namespace canopy::wasm {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

class CompiledFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("canopy-compiled-test-" + std::to_string(getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Two hours old.
  void put(const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "12345";
    fs::last_write_time(path, fs::file_time_type::clock::now() - hours(2));
  }
  void put_all(CompiledFiles& files, const std::string& key) {
    put(files.path(key));
    put(files.path(key).string() + ".plan");
  }
  bool is_there(CompiledFiles& files, const std::string& key) {
    const bool compiled = fs::exists(files.path(key));
    EXPECT_EQ(fs::exists(files.path(key).string() + ".plan"), compiled);
    return compiled;
  }

  fs::path folder_;
};

TEST_F(CompiledFilesTest, SweepsWhatIsOldAndNotKept) {
  CompiledFiles files(folder_);
  EXPECT_EQ(files.sweep(hours(1), [](const std::string&) { return false; }), 0U);  // Not even a folder.
  for (const char* const key : {"gone", "named", "asked-for"}) put_all(files, key);
  put(files.path("gone").string() + ".777.new");  // Of a crash.
  put_all(files, "made");
  std::ofstream(files.path("made")) << "again";
  std::ofstream(files.path("made").string() + ".plan") << "again";
  EXPECT_TRUE(files.renew("asked-for"));
  EXPECT_FALSE(files.renew("never-made"));
  const auto is_named = [](const std::string& key) { return key == "named"; };
  EXPECT_EQ(files.sweep(hours(1), is_named), 15U);
  EXPECT_FALSE(is_there(files, "gone"));
  EXPECT_FALSE(files.renew("gone"));
  EXPECT_FALSE(fs::exists(files.path("gone").string() + ".777.new"));
  for (const char* const key : {"named", "asked-for", "made"}) EXPECT_TRUE(is_there(files, key)) << key;
  EXPECT_EQ(files.sweep(hours(1), is_named), 0U);
}

TEST_F(CompiledFilesTest, SweepsWhatOtherEnginesMade) {
  CompiledFiles files(folder_);
  put(folder_ / "wasmtime-1" / "named.cwasm");
  put_all(files, "named");
  EXPECT_EQ(files.sweep(hours(1), [](const std::string&) { return true; }), 5U);
  EXPECT_FALSE(fs::exists(folder_ / "wasmtime-1"));
  EXPECT_TRUE(is_there(files, "named"));
}

TEST_F(CompiledFilesTest, GoesOnWhereACrashHadLeftIt) {
  CompiledFiles files(folder_);
  put(files.path("half").string() + ".plan");
  put(files.path("other-half"));
  EXPECT_EQ(files.sweep(hours(1), [](const std::string&) { return false; }), 10U);
}

}  // namespace
}  // namespace canopy::wasm
