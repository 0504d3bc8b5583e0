#include "store/crc32c.h"

#include <string>

#include <gtest/gtest.h>

namespace canopy::store {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, GivesTheKnownValues) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(Crc32c, GoesOnFromWhatCameBefore) {
  const std::string text = "a text that is longer than a word or two";
  for (std::size_t at = 0; at <= text.size(); ++at) {
    EXPECT_EQ(crc32c(text.substr(at), crc32c(text.substr(0, at))), crc32c(text)) << at;
  }
}

}  // namespace
}  // namespace canopy::store
