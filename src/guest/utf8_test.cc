#include "guest/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace canopy::guest {
namespace {

TEST(Utf8, AcceptsTextOfAnyScript) {
  for (const std::string_view text :
       {"", "plain", "d\xc3\xa9j\xc3\xa0", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf",
        "\xed\x9f\xbf", "\xee\x80\x80"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, RefusesWhatIsMalformed) {
  for (const std::string_view text :
       {"\x80", "\xff", "\xc3", "a\xe6\x97", "\xf0\x9f\x98", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
        "\xf0\x80\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3(", "\xe6\x97("}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

}  // namespace
}  // namespace canopy::guest
