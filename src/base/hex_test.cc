#include "base/hex.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(Hex, WritesEveryByteAndReadsItBack) {
  std::string text;
  for (unsigned byte = 0; byte < 256; ++byte) append_hex(static_cast<unsigned char>(byte), text);
  ASSERT_EQ(text.size(), 512);
  EXPECT_EQ(text.substr(0, 6), "000102");
  EXPECT_EQ(text.substr(506), "fdfeff");
  EXPECT_TRUE(is_hex(text));
  for (std::size_t byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(*hex_value(text[2 * byte]) * 16 + *hex_value(text[2 * byte + 1]), byte);
  }
}

TEST(Hex, KnowsWhatIsNoDigit) {
  for (const char c : {'g', 'A', 'F', '/', ':', ' ', '\0', '\xff'}) {
    EXPECT_FALSE(hex_value(c)) << c;
    EXPECT_FALSE(is_hex(std::string(1, c))) << c;
  }
  EXPECT_TRUE(is_hex(""));
}

}  // namespace
}  // namespace canopy
