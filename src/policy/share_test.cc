#include "policy/share.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

// How much each has in the end, where all take in turn as long as they may.
std::vector<std::size_t> greedy(std::size_t count, std::size_t all) {
  std::vector<std::size_t> own(count, 0);
  std::size_t free = all;
  for (bool goes_on = true; goes_on;) {
    goes_on = false;
    for (std::size_t& one : own) {
      if (!may_have_more(one, free)) continue;
      ++one;
      --free;
      goes_on = true;
    }
  }
  return own;
}

TEST(Share, OneAloneGetsThreeQuarters) {
  EXPECT_EQ(greedy(1, 64), std::vector<std::size_t>{48});
  EXPECT_EQ(greedy(1, 100'000), std::vector<std::size_t>{75'000});
}

TEST(Share, OfVeryLittleOneMayHaveAll) {
  for (const std::size_t all : {1U, 2U, 3U}) EXPECT_EQ(greedy(1, all), std::vector<std::size_t>{all});
}

TEST(Share, WhoComesNextFindsSomething) {
  for (const std::size_t count : {1U, 2U, 5U, 15U}) {
    const auto own = greedy(count, 64);
    std::size_t taken = 0;
    for (const std::size_t one : own) taken += one;
    EXPECT_LT(taken, 64U) << count;
    EXPECT_LE(*std::ranges::max_element(own) - *std::ranges::min_element(own), 1U) << count;
  }
}

TEST(Share, NobodyHasAnyOfWhatIsGone) { EXPECT_FALSE(may_have_more(0, 0)); }

}  // namespace
}  // namespace canopy::policy
