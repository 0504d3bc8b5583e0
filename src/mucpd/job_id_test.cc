#include "mucpd/job_id.h"

#include <gtest/gtest.h>

namespace canopy::mucpd {
namespace {

TEST(JobId, HasTwentyFourDigits) {
  const CallId id{.high = 0x1122334455667788, .low = 0x99aabbccddeeff00};
  const std::string text = job_text(store::shorten(id));
  EXPECT_EQ(text, "5566778899aabbccddeeff00");
  EXPECT_EQ(parse_job_id(text), store::shorten(id));
  EXPECT_EQ(parse_job_id("5566778899AABBCCDDEEFF00"), store::shorten(id));
}

TEST(JobId, IsNothingElse) {
  for (const std::string_view text :
       {"", "zzz", "5566778899aabbccddeeff0", "5566778899aabbccddeeff000", "5566778899aabbccddeeff0g"}) {
    EXPECT_FALSE(parse_job_id(text)) << text;
  }
}

TEST(JobId, LooksLikeOneToMongoWithTwelveCharactersToo) {
  EXPECT_TRUE(is_object_id("5566778899aabbccddeeff00"));
  EXPECT_TRUE(is_object_id("hello, world"));
  EXPECT_TRUE(is_object_id("ñandú ñandú!"));
  EXPECT_FALSE(is_object_id("hello, world!"));
  EXPECT_FALSE(is_object_id("zzz"));
  EXPECT_FALSE(is_object_id("zzzzzzzzzzzzzzzzzzzzzzzz"));
}

}  // namespace
}  // namespace canopy::mucpd
