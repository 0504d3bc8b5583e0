#include "store/once.h"

#include <thread>

#include <gtest/gtest.h>

namespace canopy::store {
namespace {

TEST(Once, WhatIsUnderWayIsNotBegunAgain) {
  Once once{std::chrono::milliseconds(1)};
  int count = 0;
  const auto work = [&count]() -> Result<void> {
    ++count;
    return {};
  };
  ASSERT_TRUE(once.run("a", [&]() -> Result<void> {
    std::jthread other([&] {
      EXPECT_EQ(once.run("a", work).error().code, Code::unavailable);
      EXPECT_TRUE(once.run("b", work));  // Which has nothing to do with it.
    });
    return {};
  }));
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(once.run("a", work));
  EXPECT_EQ(count, 2);
}

TEST(Once, AFailureIsOfThoseWhoWaitedAndOfNobodyLater) {
  Once once{std::chrono::minutes(1)};
  EXPECT_EQ(once.run("a", [] { return Result<void>(fail(Code::not_found, "none")); }).error().code,
            Code::not_found);
  EXPECT_TRUE(once.run("a", [] { return Result<void>(); }));
}

}  // namespace
}  // namespace canopy::store
