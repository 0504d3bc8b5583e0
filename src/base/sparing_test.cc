#include "base/sparing.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

using std::chrono::seconds;

TEST(Sparing, WritesTheFirstFewOfAWhileAndCountsTheRest) {
  Sparing sparing(2, seconds(10));
  const Time begin{seconds(5)};
  EXPECT_EQ(sparing.take("a", begin), "a");
  EXPECT_EQ(sparing.take("b", begin), "b");
  EXPECT_EQ(sparing.take("c", begin + seconds(1)), std::nullopt);
  EXPECT_EQ(sparing.take("d", begin + seconds(9)), std::nullopt);
  EXPECT_EQ(sparing.take("e", begin + seconds(10)), "e (2 such lines before it were left out)");
  EXPECT_EQ(sparing.take("f", begin + seconds(10)), "f");
  EXPECT_EQ(sparing.take("g", begin + seconds(10)), std::nullopt);
}

TEST(Sparing, SaysNothingOfWhatWasNotLeftOut) {
  Sparing sparing(1, seconds(1));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(sparing.take("a", Time(seconds(i))), "a");
}

}  // namespace
}  // namespace canopy
