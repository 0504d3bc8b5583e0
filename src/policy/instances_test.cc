#include "policy/instances.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

TEST(Instances, AreAsManyAsTheCallsNeed) {
  EXPECT_EQ(wanted_instances({.calls = 0, .places = 4, .min = 0, .max = 8}), 0U);
  EXPECT_EQ(wanted_instances({.calls = 1, .places = 4, .min = 0, .max = 8}), 1U);
  EXPECT_EQ(wanted_instances({.calls = 4, .places = 4, .min = 0, .max = 8}), 1U);
  EXPECT_EQ(wanted_instances({.calls = 5, .places = 4, .min = 0, .max = 8}), 2U);
}

TEST(Instances, AreNoLessAndNoMoreThanIsSaid) {
  EXPECT_EQ(wanted_instances({.calls = 0, .places = 1, .min = 2, .max = 8}), 2U);
  EXPECT_EQ(wanted_instances({.calls = 100, .places = 1, .min = 2, .max = 8}), 8U);
}

}  // namespace
}  // namespace canopy::policy
