#include "policy/sample.h"

#include <algorithm>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

using Positions = std::vector<std::uint32_t>;

Positions positions(Placement placement, const Crowd& crowd) {
  const Sample sample = choose_sample(placement, crowd);
  return {sample.positions().begin(), sample.positions().end()};
}

TEST(Sample, OfFewAllAreLookedAt) {
  for (std::size_t i = 0; i < placement_names.size(); ++i) {
    const auto placement = static_cast<Placement>(i);
    EXPECT_EQ(positions(placement, {.count = 0}), Positions{});
    EXPECT_EQ(positions(placement, {.count = 3, .nearest = 2, .turn = 1, .random = 9}), (Positions{0, 1, 2}));
    EXPECT_EQ(positions(placement, {.count = sample_size_max}).size(), sample_size_max);
  }
}

TEST(Sample, OfManyAFewAndEachOnce) {
  for (std::size_t i = 0; i < placement_names.size(); ++i) {
    for (std::uint64_t random = 0; random < 200; ++random) {
      const Crowd crowd{.count = 9 + random, .nearest = random % 9, .turn = 8, .random = random * random};
      const Positions found = positions(static_cast<Placement>(i), crowd);
      EXPECT_EQ(std::set(found.begin(), found.end()).size(), found.size());
      EXPECT_FALSE(found.empty());
      EXPECT_TRUE(std::ranges::all_of(found, [&](std::uint32_t at) { return at < crowd.count; }));
    }
  }
}

TEST(Sample, ConsistentHashLooksAtThoseThatAreNear) {
  EXPECT_EQ(positions(Placement::consistent_hash, {.count = 100, .nearest = 97, .random = 5}),
            (Positions{97, 98, 99, 0, 1, 2, 3, 4}));
}

TEST(Sample, RoundRobinLooksAtThoseWhoseTurnIsNext) {
  EXPECT_EQ(positions(Placement::round_robin, {.count = 10, .turn = 9, .random = 5}),
            (Positions{9, 0, 1, 2, 3, 4, 5, 6}));
}

TEST(Sample, LocalityLooksAtThoseThatAreNearAndTwoMore) {
  const Positions found = positions(Placement::locality, {.count = 1000, .nearest = 10, .random = 77});
  ASSERT_EQ(found.size(), 6U);
  EXPECT_EQ(Positions(found.begin(), found.begin() + 4), (Positions{10, 11, 12, 13}));
}

TEST(Sample, ChanceComesToEverybody) {
  std::set<std::uint32_t> seen;
  for (std::uint64_t random = 0; random < 4000; ++random) {
    const auto placement = random % 2 == 0 ? Placement::least_loaded : Placement::most_recently_used;
    const Positions found = positions(placement, {.count = 100, .random = hash_of(std::to_string(random))});
    EXPECT_LE(found.size(), 2U);
    seen.insert(found.begin(), found.end());
  }
  EXPECT_EQ(seen.size(), 100U);
}

}  // namespace
}  // namespace canopy::policy
