#include "wire/image_bytes.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

TEST(ImageBytes, AreANumberOrNone) {
  EXPECT_EQ(image_bytes({}), 0U);
  EXPECT_EQ(image_bytes({{"CANOPY_IMAGE_BYTES", "123"}}), 123U);
  for (const char* const odd : {"", "-1", "1x", "99999999999999999999999"}) {
    EXPECT_EQ(image_bytes({{"CANOPY_IMAGE_BYTES", odd}}), 0U) << odd;
  }
  EXPECT_EQ(image_bytes({{"CANOPY_IMAGE_BYTES", "18446744073709551615"}}), std::uint64_t{1} << 50U);
}

}  // namespace
}  // namespace canopy::wire
