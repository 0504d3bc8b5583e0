#include "policy/admit.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Admit, LetsACallInWhileThereIsAPlace) {
  EXPECT_TRUE(admit({.running = 0, .running_max = 1}).admitted);
  EXPECT_TRUE(admit({.running = 999, .running_max = 1000}).admitted);
}

TEST(Admit, RefusesTheCallAfterTheLastPlace) {
  EXPECT_FALSE(admit({.running = 1000, .running_max = 1000}).admitted);
  EXPECT_FALSE(admit({.running = 1001, .running_max = 1000}).admitted);
  EXPECT_FALSE(admit({.running = 0, .running_max = 0}).admitted);
}

TEST(Admit, SaysWhenAPlaceShouldBeFreeInWholeSecondsWithinAMinute) {
  const auto wait = [](Duration mean, std::uint64_t max) {
    return admit({.running = max, .running_max = max, .mean_run_time = mean}).retry_after;
  };
  EXPECT_EQ(wait({}, 10), seconds(1));
  EXPECT_EQ(wait(milliseconds(5), 1), seconds(1));
  EXPECT_EQ(wait(milliseconds(2500), 1), seconds(3));
  EXPECT_EQ(wait(seconds(20), 5), seconds(4));
  EXPECT_EQ(wait(hours(1), 1), seconds(60));
}

TEST(PlacesAtOnce, IsOneForFewPlacesAndBoundedForMany) {
  EXPECT_EQ(places_at_once(1, 2), 1U);
  EXPECT_EQ(places_at_once(31, 2), 1U);
  EXPECT_EQ(places_at_once(320, 2), 20U);
  EXPECT_EQ(places_at_once(1000, 2), 62U);
  EXPECT_EQ(places_at_once(100'000, 2), 64U);
  EXPECT_EQ(places_at_once(100, 0), 12U);
}

TEST(CallDeadline, IsTheSoonestOfThree) {
  const Time now(seconds(100));
  const Limits limits{.timeout = seconds(10)};
  EXPECT_EQ(call_deadline(now, limits, {}, hours(1)), now + seconds(10));
  EXPECT_EQ(call_deadline(now, limits, milliseconds(250), hours(1)), now + milliseconds(250));
  EXPECT_EQ(call_deadline(now, limits, seconds(60), hours(1)), now + seconds(10));
  EXPECT_EQ(call_deadline(now, limits, seconds(60), seconds(5)), now + seconds(5));
}

TEST(CallDeadline, NeitherOverflowsNorLiesInThePast) {
  const Time now(seconds(100));
  EXPECT_EQ(call_deadline(now, {.timeout = Duration::max()}, {}, Duration::max()), never);
  EXPECT_EQ(call_deadline(now, {.timeout = seconds(-5)}, {}, hours(1)), now);
}

}  // namespace
}  // namespace canopy::policy
