#include "base/check.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(Check, PassesWhatHolds) { CANOPY_CHECK(1 + 1 == 2); }

TEST(CheckDeathTest, AbortsWithTheCondition) {
  EXPECT_DEATH(CANOPY_CHECK(1 + 1 == 3), "CANOPY_CHECK\\(1 \\+ 1 == 3\\) failed");
}

}  // namespace
}  // namespace canopy
