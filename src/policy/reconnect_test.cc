#include "policy/reconnect.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

using std::chrono::milliseconds;

constexpr ReconnectRule rule{.first_delay = milliseconds(100), .delay_max = milliseconds(1000)};

TEST(Reconnect, LaterAndLaterUpToABound) {
  EXPECT_EQ(reconnect_delay(rule, 1, 1), milliseconds(100));
  EXPECT_EQ(reconnect_delay(rule, 2, 1), milliseconds(200));
  EXPECT_EQ(reconnect_delay(rule, 4, 1), milliseconds(800));
  EXPECT_EQ(reconnect_delay(rule, 5, 1), milliseconds(1000));
  EXPECT_EQ(reconnect_delay(rule, 4'000'000'000, 1), milliseconds(1000));
}

TEST(Reconnect, NotAllAtOneMoment) {
  EXPECT_EQ(reconnect_delay(rule, 1, 0), milliseconds(50));
  EXPECT_EQ(reconnect_delay(rule, 1, 0.5), milliseconds(75));
  EXPECT_EQ(reconnect_delay(rule, 9, -3), milliseconds(500));
  EXPECT_EQ(reconnect_delay(rule, 9, 7), milliseconds(1000));
}

}  // namespace
}  // namespace canopy::policy
