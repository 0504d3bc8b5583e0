#include "policy/fair.h"

#include <map>

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

const auto everybody = [](FairTurns::Flow) { return true; };

std::map<FairTurns::Flow, int> serve(FairTurns& turns, int count) {
  std::map<FairTurns::Flow, int> served;
  for (int i = 0; i < count; ++i) {
    const auto flow = turns.next(everybody);
    if (!flow) break;
    ++served[*flow];
    turns.charge(*flow);
  }
  return served;
}

TEST(FairTurns, NobodyWaitsAtFirst) {
  const FairTurns turns;
  EXPECT_FALSE(turns.next(everybody));
  EXPECT_EQ(turns.size(), 0U);
}

TEST(FairTurns, ServesEquallyWhereWeightsAreEqual) {
  FairTurns turns;
  for (FairTurns::Flow flow = 1; flow <= 4; ++flow) turns.add(flow);
  for (const auto& [flow, count] : serve(turns, 400)) EXPECT_EQ(count, 100) << flow;
}

TEST(FairTurns, ServesInProportionToWeights) {
  FairTurns turns;
  turns.add(1, 1);
  turns.add(2, 3);
  auto served = serve(turns, 400);
  EXPECT_NEAR(served[1], 100, 2);
  EXPECT_NEAR(served[2], 300, 2);
}

TEST(FairTurns, AWeightOfZeroCountsAsOne) {
  FairTurns turns;
  turns.add(1, 0);
  turns.add(2, 1);
  EXPECT_EQ(serve(turns, 10)[1], 5);
}

TEST(FairTurns, WhoWasIdleSavesUpNothing) {
  FairTurns turns;
  turns.add(1);
  serve(turns, 1000);
  turns.add(2);
  auto served = serve(turns, 100);
  EXPECT_NEAR(served[1], 50, 1);
}

TEST(FairTurns, LeavingAndComingBackIsNoWayToBeServedSooner) {
  FairTurns turns;
  turns.add(1);
  turns.add(2);
  std::map<FairTurns::Flow, int> served;
  for (int i = 0; i < 100; ++i) {
    const auto flow = *turns.next(everybody);
    ++served[flow];
    turns.charge(flow);
    if (flow == 2) {
      turns.remove(2);
      turns.add(2);
    }
  }
  EXPECT_NEAR(served[2], 50, 1);
}

TEST(FairTurns, SkipsWhoMayNotRun) {
  FairTurns turns;
  turns.add(1);
  turns.add(2);
  const auto not_one = [](FairTurns::Flow flow) { return flow != 1; };
  EXPECT_EQ(turns.next(not_one), 2U);
  EXPECT_FALSE(turns.next([](FairTurns::Flow) { return false; }));
}

TEST(FairTurns, ACostlyTurnCountsForMany) {
  FairTurns turns;
  turns.add(1);
  turns.add(2);
  turns.charge(1, 10);
  EXPECT_EQ(serve(turns, 10)[2], 10);
}

TEST(FairTurns, WhoLeftIsNotServed) {
  FairTurns turns;
  turns.add(1);
  turns.remove(1);
  turns.remove(1);
  turns.charge(1);
  EXPECT_FALSE(turns.next(everybody));
}

TEST(MayTakePlace, LeavesRoomForOthersHoweverGreedyOneIs) {
  std::uint64_t held = 0;
  while (may_take_place(held, held, 300)) ++held;
  EXPECT_EQ(held, 200U);
  std::uint64_t other = 0;
  while (may_take_place(other, held + other, 300)) ++other;
  EXPECT_GT(other, 50U);
  EXPECT_LT(held + other, 300U);
}

TEST(MayTakePlace, OnePlaceCanBeTakenAndNoMore) {
  EXPECT_TRUE(may_take_place(0, 0, 1));
  EXPECT_FALSE(may_take_place(1, 1, 1));
  EXPECT_FALSE(may_take_place(0, 0, 0));
  EXPECT_FALSE(may_take_place(0, 2, 1));
}

}  // namespace
}  // namespace canopy::policy
