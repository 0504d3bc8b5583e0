#include "policy/quota.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class Bucket : public testing::Test {
 protected:
  bool take_one() {
    const BucketDecision decision = take(state, now, per_minute, 1);
    state = decision.state;
    wait = decision.retry_after;
    return decision.admitted;
  }

  std::uint64_t per_minute = 60;
  BucketState state = 0;
  Time now = Time(hours(5));
  Duration wait{};
};

TEST_F(Bucket, HoldsAMinutesWorth) {
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(take_one()) << i;
  EXPECT_FALSE(take_one());
  EXPECT_EQ(wait, seconds(1));
}

TEST_F(Bucket, RefillsEvenly) {
  for (int i = 0; i < 60; ++i) take_one();
  now += milliseconds(999);
  EXPECT_FALSE(take_one());
  now += milliseconds(1);
  EXPECT_TRUE(take_one());
  EXPECT_FALSE(take_one());
  now += minutes(10);
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(take_one()) << i;
  EXPECT_FALSE(take_one());
}

TEST_F(Bucket, KeepsToItsPromiseOverAnHour) {
  per_minute = 600;
  std::uint64_t admitted = 0;
  const Time end = now + hours(1);
  for (; now < end; now += milliseconds(7)) admitted += take_one() ? 1 : 0;
  EXPECT_LE(admitted, 600U * 61);
  EXPECT_GE(admitted, 600U * 60);
}

TEST_F(Bucket, SaysWhenToComeAgain) {
  per_minute = 2;
  EXPECT_TRUE(take_one());
  EXPECT_TRUE(take_one());
  EXPECT_FALSE(take_one());
  EXPECT_EQ(wait, seconds(30));
  now += wait;
  EXPECT_TRUE(take_one());
}

TEST_F(Bucket, OfNothingAdmitsNothing) {
  per_minute = 0;
  EXPECT_FALSE(take_one());
  EXPECT_EQ(wait, hours(1));
  EXPECT_FALSE(look(0, now, 0).admitted);
}

TEST_F(Bucket, WhatCostsMoreThanItHoldsIsAdmittedFromAFullOne) {
  const BucketDecision decision = take(0, now, 60, 120);
  EXPECT_TRUE(decision.admitted);
  EXPECT_FALSE(take(decision.state, now + seconds(59), 60, 1).admitted);
  EXPECT_TRUE(take(decision.state, now + seconds(61), 60, 1).admitted);
}

TEST_F(Bucket, ADebtIsPaidBackAndBounded) {
  state = charge(state, now, 1000, 1000);
  EXPECT_FALSE(look(state, now, 1000).admitted);
  EXPECT_TRUE(look(state, now + milliseconds(100), 1000).admitted);
  state = charge(state, now, 1000, 5000);
  const BucketDecision decision = look(state, now, 1000);
  EXPECT_FALSE(decision.admitted);
  EXPECT_EQ(decision.retry_after, minutes(5));
  state = charge(state, now, 1, UINT64_MAX);
  EXPECT_LE(look(state, now, 1).retry_after, hours(1));
}

TEST(Exceeded, NamesTheQuota) {
  Quotas quotas;
  EXPECT_EQ(exceeded(quotas, {.functions = 1000, .code_bytes = GiB}, {.functions = 1, .code_bytes = GiB}),
            "");
  quotas.functions = 2;
  quotas.code_bytes = 100;
  EXPECT_EQ(exceeded(quotas, {.functions = 1, .code_bytes = 60}, {.functions = 1, .code_bytes = 40}), "");
  EXPECT_EQ(exceeded(quotas, {.functions = 2, .code_bytes = 0}, {.functions = 1, .code_bytes = 1}),
            "functions");
  EXPECT_EQ(exceeded(quotas, {.functions = 1, .code_bytes = 60}, {.functions = 1, .code_bytes = 41}),
            "code_bytes");
}

}  // namespace
}  // namespace canopy::policy
