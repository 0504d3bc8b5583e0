#include "api/places.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

Function function_with(std::uint32_t concurrency) {
  Function function;
  function.name = {"demo", "hello"};
  function.limits.concurrency = concurrency;
  return function;
}

TEST(Places, GivesOutExactlyAsManyAsThereAre) {
  for (const std::uint32_t count : {1U, 2U, 7U, 100U, 1000U}) {
    Places places(2, count);
    for (std::uint32_t i = 0; i < count; ++i) EXPECT_TRUE(places.take(i % 2));
    EXPECT_FALSE(places.take(0));
    EXPECT_FALSE(places.take(1));
    EXPECT_EQ(places.taken(), count);
    places.give(0);
    EXPECT_TRUE(places.take(1));
    EXPECT_FALSE(places.take(0));
  }
}

TEST(Places, ACoreTakesWhatAnotherKeeps) {
  Places places(2, 1000);
  EXPECT_TRUE(places.take(0));  // Core 0 now keeps many.
  for (int i = 0; i < 999; ++i) ASSERT_TRUE(places.take(1)) << i;
  EXPECT_FALSE(places.take(1));
  EXPECT_FALSE(places.take(0));
}

TEST(Places, FewerPlacesAreFeltAtOnceAndCallsThatRunKeepTheirs) {
  Places places(2, 100);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(places.take(0));
  places.resize(5);
  EXPECT_FALSE(places.take(0));
  EXPECT_FALSE(places.take(1));
  for (int i = 0; i < 6; ++i) places.give(0);
  EXPECT_TRUE(places.take(1));
  EXPECT_FALSE(places.take(0));
  EXPECT_EQ(places.taken(), 5U);
}

TEST(Places, MorePlacesAreThereAtOnce) {
  Places places(2, 1);
  ASSERT_TRUE(places.take(0));
  EXPECT_FALSE(places.take(1));
  places.resize(2);
  EXPECT_TRUE(places.take(1));
  EXPECT_FALSE(places.take(0));
}

TEST(Places, NoneIsLostOrMadeWhileManyCoresTakeAndGive) {
  constexpr std::uint32_t count = 3;
  Places places(4, count);
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t core = 0; core < 4; ++core) {
      threads.emplace_back([&, core] {
        for (int i = 0; i < 20'000; ++i) {
          if (!places.take(core)) continue;
          const int now = ++running;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          --running;
          places.give(core);
        }
      });
    }
  }
  EXPECT_GE(most.load(), 1);
  EXPECT_LE(most.load(), static_cast<int>(count));
  EXPECT_EQ(places.taken(), 0U);
}

TEST(PlacesByName, IsTheSameForAllCoresAndFollowsTheFunction) {
  PlacesByName all(2);
  const auto places = all.get(function_with(2));
  EXPECT_EQ(all.get(function_with(2)), places);
  EXPECT_EQ(all.get(function_with(9)), places);
  EXPECT_EQ(places->count(), 9U);
}

}  // namespace
}  // namespace canopy::api
