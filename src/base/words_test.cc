#include "base/words.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(SameWord, IsBlindForTheCaseOfAsciiLettersAlone) {
  EXPECT_TRUE(same_word("Content-Length", "cONTENT-lENGTH"));
  EXPECT_TRUE(same_word("", ""));
  EXPECT_FALSE(same_word("a", "ab"));
  EXPECT_FALSE(same_word("ab", "a"));
  EXPECT_FALSE(same_word("@", "`"));  // 32 apart, as letters are.
  EXPECT_FALSE(same_word("[", "{"));
  EXPECT_FALSE(same_word("\xc3\x84", "\xc3\xa4"));
}

}  // namespace
}  // namespace canopy
