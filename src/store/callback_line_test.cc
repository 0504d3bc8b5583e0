#include "store/callback_line.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::store {
namespace {

constexpr WallTime at(int seconds) { return WallTime(std::chrono::seconds(seconds)); }

std::vector<std::uint64_t> take_all(CallbackLine& line, WallTime now, WallTime until) {
  std::vector<std::uint64_t> taken;
  while (const auto number = line.take(now, until)) taken.push_back(*number);
  return taken;
}

TEST(CallbackLine, TheLongestDueGoesFirstAndNoneBeforeItsTime) {
  CallbackLine line(10);
  line.plan(1, at(3), 7);
  line.plan(2, at(1), 8);
  line.plan(3, at(9), 7);
  EXPECT_EQ(take_all(line, at(5), at(100)), (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(take_all(line, at(9), at(100)), std::vector<std::uint64_t>{3});
  EXPECT_EQ(line.size(), 3U);
}

TEST(CallbackLine, WhatNobodyEndedIsDueAgain) {
  CallbackLine line(2);
  line.plan(1, at(1), 7);
  EXPECT_EQ(line.take(at(1), at(20)), 1U);
  EXPECT_FALSE(line.take(at(19), at(40)));
  EXPECT_EQ(line.take(at(20), at(40)), 1U);
  line.plan(2, at(1), 7);
  EXPECT_EQ(line.take(at(21), at(40)), 2U) << "the first is on its way once, however often it was taken";
}

TEST(CallbackLine, OneUserDoesNotHoldAllWhoSend) {
  CallbackLine line(8);
  for (std::uint64_t number = 1; number <= 100; ++number) line.plan(number, at(1), 7);
  line.plan(200, at(2), 8);
  line.plan(300, at(2), 9);
  const auto taken = take_all(line, at(5), at(100));
  EXPECT_LT(taken.size(), 9U);
  EXPECT_EQ(std::count(taken.begin(), taken.end(), 200U), 1);
  EXPECT_EQ(std::count(taken.begin(), taken.end(), 300U), 1);
  EXPECT_GE(taken.size(), 7U) << "and what is free is used";
}

TEST(CallbackLine, WhoseHasEndedMakesRoom) {
  CallbackLine line(4);
  for (std::uint64_t number = 1; number <= 10; ++number) line.plan(number, at(1), 7);
  const auto first = take_all(line, at(5), at(100));
  ASSERT_FALSE(first.empty());
  EXPECT_FALSE(line.take(at(5), at(100)));
  line.drop(first[0]);
  EXPECT_TRUE(line.take(at(5), at(100)));
  line.plan(first[1], at(50));
  EXPECT_TRUE(line.take(at(5), at(100)));
  EXPECT_EQ(line.size(), 9U);
}

TEST(CallbackLine, ThoseOfAnEarlierProcessAreCountedOnceTheirPayerIsKnown) {
  CallbackLine line(4);
  for (std::uint64_t number = 1; number <= 10; ++number) line.plan(number, at(1));
  std::size_t sent = 0;
  while (const auto number = line.take(at(5), at(100))) sent += line.know_payer(*number, 7, at(1));
  EXPECT_EQ(sent, 3U);
  line.plan(20, at(2), 8);
  EXPECT_EQ(line.take(at(5), at(100)), 20U);
}

TEST(CallbackLine, OneThatIsGoneIsForgotten) {
  CallbackLine line(4);
  line.plan(1, at(1), 7);
  line.drop(1);
  line.drop(1);
  EXPECT_FALSE(line.take(at(5), at(100)));
  EXPECT_TRUE(line.know_payer(1, 7, at(1)));
  EXPECT_EQ(line.size(), 0U);
}

}  // namespace
}  // namespace canopy::store
