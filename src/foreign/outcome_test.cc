#include "foreign/outcome.h"

#include <thread>

#include <gtest/gtest.h>

namespace canopy::foreign {
namespace {

RemoteWorkers::Place place(const std::string& instance) { return {.worker = nullptr, .instance = instance}; }

TEST(Outcome, IsHadByWhoWaits) {
  Outcome outcome;
  std::jthread starts([&outcome] { EXPECT_TRUE(outcome.set(place("one"))); });
  const auto got = outcome.wait(std::chrono::minutes(1));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->instance, "one");
}

TEST(Outcome, TooLateItIsNobodys) {
  Outcome outcome;
  EXPECT_EQ(outcome.wait(Duration::zero()).error().code, Code::unavailable);
  EXPECT_FALSE(outcome.set(place("one")));
}

}  // namespace
}  // namespace canopy::foreign
