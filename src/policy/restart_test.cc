#include "policy/restart.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Restarts, ComeAtOnceThenLaterAndLater) {
  Restarts restarts({.first_delay = milliseconds(50), .delay_max = milliseconds(300)});
  EXPECT_EQ(restarts.ended(seconds(1)), Duration::zero());
  EXPECT_EQ(restarts.ended(seconds(1)), milliseconds(50));
  EXPECT_EQ(restarts.ended(seconds(1)), milliseconds(100));
  EXPECT_EQ(restarts.ended(seconds(1)), milliseconds(200));
  EXPECT_EQ(restarts.ended(seconds(1)), milliseconds(300));
  EXPECT_EQ(restarts.ended(seconds(1)), milliseconds(300));
  EXPECT_EQ(restarts.count(), 6U);
}

TEST(Restarts, BeginAnewWithOneThatLived) {
  Restarts restarts;
  for (int i = 0; i < 5; ++i) restarts.ended(Duration::zero());
  EXPECT_EQ(restarts.ended(seconds(10)), Duration::zero());
  EXPECT_EQ(restarts.ended(seconds(1)), milliseconds(50));
}

}  // namespace
}  // namespace canopy::policy
