#include "base/utf8.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(Utf8, KnowsWholeCharacters) {
  for (const std::string_view text : {"", "plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                      "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(find_invalid_utf8(text), std::string_view::npos) << text;
    EXPECT_EQ(repaired_utf8(text), text);
  }
}

TEST(Utf8, FindsTheFirstBrokenByte) {
  EXPECT_EQ(find_invalid_utf8("ab\x80"), 2U);            // A tail without a lead.
  EXPECT_EQ(find_invalid_utf8("a\xC0\x80"), 1U);         // An overlong NUL.
  EXPECT_EQ(find_invalid_utf8("\xE0\x9F\xBF"), 0U);      // Overlong.
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0U);      // A surrogate.
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0U);  // Past U+10FFFF.
  EXPECT_EQ(find_invalid_utf8("\xF5\x80\x80\x80"), 0U);
  EXPECT_EQ(find_invalid_utf8("xyz\xE2\x82"), 3U);  // Cut off.
}

TEST(Utf8, RefusesWhatIsMalformed) {
  for (const std::string_view text :
       {"\x80", "\xff", "\xc3", "a\xe6\x97", "\xf0\x9f\x98", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
        "\xf0\x80\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3(", "\xe6\x97("}) {
    EXPECT_NE(find_invalid_utf8(text), std::string_view::npos);
  }
}

TEST(Utf8, CountsCharactersRatherThanBytes) {
  EXPECT_EQ(count_characters(""), 0U);
  EXPECT_EQ(count_characters("a\u00e4\u20ac\U0001f600"), 4U);
  EXPECT_EQ(count_characters("a\xe2\x82z\xff"), 4U);
}

TEST(Utf8, RepairsEachBrokenPieceOnce) {
  EXPECT_EQ(repaired_utf8("a\xE2\x82z"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(repaired_utf8("\xFF\xFE"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(repaired_utf8("\xF0\x9F\x98"), "\xEF\xBF\xBD");
  EXPECT_EQ(repaired_utf8(std::string_view("\0", 1)), std::string_view("\0", 1));
}

TEST(Utf8, AppendsEachLength) {
  std::string text;
  for (const char32_t c : {U'a', U'ä', U'€', U'😀'}) append_utf8(c, text);
  EXPECT_EQ(text, "aä€😀");
}

}  // namespace
}  // namespace canopy
