#include "base/error.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

Result<int> half(int x) {
  if (x % 2 != 0) return fail(Code::invalid, "half of an odd number: " + std::to_string(x));
  return x / 2;
}

Result<int> quarter(int x) {
  CANOPY_TRY(const int h, half(x));
  CANOPY_TRY(const int q, half(h));
  return q;
}

Result<void> check_even(int x) {
  CANOPY_TRY_VOID(half(x));
  return {};
}

TEST(Error, TryPassesTheValueOn) { EXPECT_EQ(quarter(12), 3); }

TEST(Error, TryReturnsTheFirstError) {
  const auto q = quarter(6);
  ASSERT_FALSE(q);
  EXPECT_EQ(q.error().code, Code::invalid);
  EXPECT_EQ(q.error().message, "half of an odd number: 3");
}

TEST(Error, TryVoidReturnsTheErrorToo) {
  EXPECT_TRUE(check_even(2));
  EXPECT_FALSE(check_even(3));
}

TEST(Error, EveryCodeHasItsOwnRow) {
  EXPECT_EQ(name(Code::invalid), "invalid");
  EXPECT_EQ(name(Code::deadline), "deadline");
  EXPECT_EQ(http_status(Code::exhausted), 429);
  EXPECT_EQ(origin(Code::died), Origin::function);
}

}  // namespace
}  // namespace canopy
