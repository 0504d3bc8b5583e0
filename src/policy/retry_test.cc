#include "policy/retry.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const RetryRule thrice{.retries_max = 3};

TEST(RetryDelay, IsNoneUnlessItWasAsked) {
  EXPECT_FALSE(retry_delay({}, {.failures = 1}, AttemptEnd::failed, 0.5));
}

TEST(RetryDelay, IsNoneWhenTheRetriesAreUsedUp) {
  EXPECT_TRUE(retry_delay(thrice, {.failures = 3}, AttemptEnd::failed, 0.5));
  EXPECT_FALSE(retry_delay(thrice, {.failures = 4}, AttemptEnd::failed, 0.5));
}

TEST(RetryDelay, DoublesUpToItsMost) {
  const RetryRule rule{.retries_max = 100, .first_delay = seconds(1), .delay_max = seconds(5)};
  EXPECT_EQ(retry_delay(rule, {.failures = 1}, AttemptEnd::failed, 1), seconds(1));
  EXPECT_EQ(retry_delay(rule, {.failures = 2}, AttemptEnd::failed, 1), seconds(2));
  EXPECT_EQ(retry_delay(rule, {.failures = 3}, AttemptEnd::failed, 1), seconds(4));
  EXPECT_EQ(retry_delay(rule, {.failures = 4}, AttemptEnd::failed, 1), seconds(5));
  EXPECT_EQ(retry_delay(rule, {.failures = 100}, AttemptEnd::failed, 1), seconds(5));
}

TEST(RetryDelay, LiesInItsUpperHalf) {
  EXPECT_EQ(retry_delay(thrice, {.failures = 1}, AttemptEnd::failed, 0), std::chrono::milliseconds(500));
  EXPECT_EQ(retry_delay(thrice, {.failures = 1}, AttemptEnd::failed, -7), std::chrono::milliseconds(500));
  EXPECT_EQ(retry_delay(thrice, {.failures = 1}, AttemptEnd::failed, 7), seconds(1));
}

TEST(RetryDelay, ALostCallIsDeliveredAgainThoughNobodyAsked) {
  const RetryRule rule{.losses_max = 3};
  EXPECT_EQ(retry_delay(rule, {.losses = 1}, AttemptEnd::lost, 1), seconds(0));
  EXPECT_EQ(retry_delay(rule, {.losses = 2}, AttemptEnd::lost, 1), seconds(1));
  EXPECT_FALSE(retry_delay(rule, {.losses = 3}, AttemptEnd::lost, 1));
}

TEST(RetryDelay, WhoAskedForManyRetriesGetsAsManyDeliveries) {
  const RetryRule rule{.retries_max = 9, .losses_max = 3};
  EXPECT_TRUE(retry_delay(rule, {.losses = 9}, AttemptEnd::lost, 1));
  EXPECT_FALSE(retry_delay(rule, {.losses = 10}, AttemptEnd::lost, 1));
}

TEST(RetryDelay, AnOddRuleOverflowsNothing) {
  const RetryRule rule{.retries_max = ~0U - 1, .first_delay = minutes(10), .delay_max = Duration::max()};
  const auto delay = retry_delay(rule, {.failures = ~0U - 1}, AttemptEnd::failed, 0.5);
  ASSERT_TRUE(delay);
  EXPECT_GT(*delay, Duration::zero());
}

TEST(IsWorthRetrying, WhatCannotGetBetterIsNot) {
  for (const Code code : {Code::invalid, Code::unauthorized, Code::forbidden, Code::not_found,
                          Code::too_large, Code::refused, Code::canceled}) {
    EXPECT_FALSE(is_worth_retrying(code)) << name(code);
  }
  for (const Code code : {Code::died, Code::function_failed, Code::deadline, Code::unavailable, Code::limit,
                          Code::exhausted, Code::internal}) {
    EXPECT_TRUE(is_worth_retrying(code)) << name(code);
  }
}

}  // namespace
}  // namespace canopy::policy
