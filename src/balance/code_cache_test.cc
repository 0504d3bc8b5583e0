#include "balance/code_cache.h"

#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/sha256.h"

namespace canopy::balance {
namespace {

namespace fs = std::filesystem;

class CodeCacheTest : public testing::Test {
 protected:
  CodeCacheTest() : folder(fs::path(testing::TempDir()) / ("code-cache-" + std::to_string(getpid()))) {}
  ~CodeCacheTest() override {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  std::string put(CodeCache& cache, const std::string& code) const {
    const std::string digest = sha256_hex(code);
    EXPECT_TRUE(cache.put(digest, code));
    return digest;
  }
  // So that the order of use does not hang on how fine the disk's clock is.
  void age(const std::string& digest, int seconds) const {
    fs::last_write_time(folder / digest.substr(0, 2) / digest,
                        fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }

  const fs::path folder;
};

TEST_F(CodeCacheTest, KeepsWhatItIsGiven) {
  std::string digest;
  {
    CodeCache cache(folder, 1000);
    digest = put(cache, "some code");
    EXPECT_TRUE(cache.has(digest));
  }
  CodeCache again(folder, 1000);
  EXPECT_TRUE(again.has(digest));
  const auto path = again.path(digest);
  ASSERT_TRUE(path);
  std::string text;
  std::getline(std::ifstream(*path), text);
  EXPECT_EQ(text, "some code");
}

TEST_F(CodeCacheTest, RefusesWhatItsDigestDoesNotSay) {
  CodeCache cache(folder, 1000);
  const std::string digest = sha256_hex("some code");
  const auto put = cache.put(digest, "other code");
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Code::invalid);
  EXPECT_FALSE(cache.has(digest));
  EXPECT_FALSE(cache.path(digest));
  EXPECT_FALSE(cache.has("../../etc/passwd"));
}

TEST_F(CodeCacheTest, WhatWasDamagedIsNotThere) {
  std::string digest;
  {
    CodeCache cache(folder, 1000);
    digest = put(cache, "some code");
    std::ofstream(*cache.path(digest)) << "some kode";
  }
  CodeCache again(folder, 1000);
  EXPECT_FALSE(again.has(digest));
  EXPECT_FALSE(again.path(digest));
}

TEST_F(CodeCacheTest, WhatWasUsedLongestAgoGoesFirst) {
  CodeCache cache(folder, 100);
  const std::string first = put(cache, std::string(40, 'a'));
  const std::string second = put(cache, std::string(40, 'b'));
  age(first, 100);
  age(second, 50);
  EXPECT_TRUE(cache.has(first));  // Now it was used later than the second.
  const std::string third = put(cache, std::string(40, 'c'));
  EXPECT_TRUE(cache.has(first));
  EXPECT_FALSE(cache.has(second));
  EXPECT_TRUE(cache.has(third));
}

TEST_F(CodeCacheTest, WhatIsTooLargeForAllOfItIsRefused) {
  CodeCache cache(folder, 10);
  const std::string code(11, 'x');
  const auto put = cache.put(sha256_hex(code), code);
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Code::limit);
}

}  // namespace
}  // namespace canopy::balance
