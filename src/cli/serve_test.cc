#include "cli/serve.h"

#include <gtest/gtest.h>

namespace canopy::cli {
namespace {

TEST(CheckMapCount, SaysWhatToSetWhereTheKernelGrantsTooFewMappings) {
  const auto advice = check_map_count(20'000, 65'530);
  ASSERT_TRUE(advice);
  EXPECT_EQ(*advice,
            "vm.max_map_count is 65530, and 20000 instances at once may need 122500; run `sysctl -w "
            "vm.max_map_count=122500`, or lower 'instances'");
  EXPECT_FALSE(check_map_count(20'000, 122'500));
  EXPECT_TRUE(check_map_count(20'000, 122'499));
}

TEST(CheckMapCount, HasNothingToSayOfTheDefaultOnAUsualKernel) {
  EXPECT_FALSE(check_map_count(Options().instances_max, 65'530));
}

TEST(ReadMapCountMax, ReadsTheKernelsNumber) {
  const auto count = read_map_count_max();
  ASSERT_TRUE(count);
  EXPECT_GT(*count, 0U);
}

}  // namespace
}  // namespace canopy::cli
