#include "policy/place.h"

#include <vector>

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

constexpr Candidate candidate(std::uint32_t running, bool warm) {
  return {.running_count = running, .credit = 10, .ready = true, .warm = warm};
}

TEST(ChooseWorker, TakesTheLeastLoaded) {
  EXPECT_EQ(choose_worker(std::vector{candidate(3, true), candidate(1, true), candidate(2, true)}), 1U);
}

TEST(ChooseWorker, PrefersOneThatHasTheFunctionWarm) {
  EXPECT_EQ(choose_worker(std::vector{candidate(0, false), candidate(1, true)}), 1U);
  EXPECT_EQ(choose_worker(std::vector{candidate(0, false), candidate(0, true)}), 1U);
}

TEST(ChooseWorker, PrefersAnIdleOneToAQueue) {
  EXPECT_EQ(choose_worker(std::vector{candidate(3, true), candidate(0, false)}), 1U);
}

TEST(ChooseWorker, TakesTheFirstWhereAllAreTheSame) {
  EXPECT_EQ(choose_worker(std::vector{candidate(0, true), candidate(0, true)}), 0U);
}

TEST(ChooseWorker, LeavesOutWhoHasNoCreditOrIsNotReady) {
  auto candidates = std::vector{candidate(0, true), candidate(1, true), candidate(9, false)};
  candidates[0].ready = false;
  candidates[1].credit = 0;
  EXPECT_EQ(choose_worker(candidates), 2U);
  candidates[2].credit = 0;
  EXPECT_EQ(choose_worker(candidates), std::nullopt);
  EXPECT_EQ(choose_worker({}), std::nullopt);
}

Candidate asking(std::uint32_t credit, std::int64_t since) {
  return {.running_count = 0, .credit = credit, .ready = true, .warm = false, .asked_since = since};
}

TEST(ChooseAsking, TakesTheOneThatAskedFirst) {
  EXPECT_EQ(choose_asking(std::vector{asking(1, 30), asking(1, 10), asking(1, 20)}), 1U);
  EXPECT_EQ(choose_asking(std::vector{asking(1, 10), asking(1, 10)}), 0U);
}

TEST(ChooseAsking, NeitherLoadNorWhatIsWarmGoesBeforeThat) {
  auto candidates = std::vector{asking(1, 2), asking(1, 1)};
  candidates[0].warm = true;
  candidates[1].running_count = 9;
  EXPECT_EQ(choose_asking(candidates), 1U);
}

TEST(ChooseAsking, LeavesOutWhoDidNotAskOrIsNotReady) {
  auto candidates = std::vector{asking(0, 1), asking(1, 2), asking(3, 3)};
  candidates[1].ready = false;
  EXPECT_EQ(choose_asking(candidates), 2U);
  candidates[2].credit = 0;
  EXPECT_EQ(choose_asking(candidates), std::nullopt);
  EXPECT_EQ(choose_asking({}), std::nullopt);
}

}  // namespace
}  // namespace canopy::policy
