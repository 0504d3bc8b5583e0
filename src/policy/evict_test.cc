#include "policy/evict.h"

#include <array>

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

constexpr Time at(int second) { return Time(std::chrono::seconds(second)); }
using Places = std::vector<std::size_t>;

TEST(ChooseUnloads, LeavesWhatFits) {
  const std::array residents = {Resident{.bytes = 50, .used = at(1)}, Resident{.bytes = 50, .used = at(2)}};
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 100, .count_max = 9}), Places{});
  EXPECT_EQ(choose_unloads({}, {.bytes_max = 0, .count_max = 9}), Places{});
}

TEST(ChooseUnloads, TakesTheLeastRecentlyUsedUntilTheRestFits) {
  const std::array residents = {Resident{.bytes = 40, .used = at(3)}, Resident{.bytes = 40, .used = at(1)},
                                Resident{.bytes = 40, .used = at(2)}};
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 100, .count_max = 9}), (Places{1}));
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 79, .count_max = 9}), (Places{1, 2}));
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 0, .count_max = 9}), (Places{1, 2, 0}));
}

TEST(ChooseUnloads, NeverTakesABusyOneOrOneThatHoldsNothing) {
  const std::array residents = {Resident{.bytes = 90, .used = at(1), .busy = true},
                                Resident{.bytes = 0, .used = at(2)}, Resident{.bytes = 90, .used = at(3)}};
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 50, .count_max = 9}), (Places{2}));
}

TEST(ChooseUnloads, BoundsHowManyThereAreHoweverSmall) {
  const std::array residents = {Resident{.bytes = 1, .used = at(3)}, Resident{.bytes = 1, .used = at(1)},
                                Resident{.bytes = 0, .used = at(0)},
                                Resident{.bytes = 1, .used = at(2), .busy = true}};
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 100, .count_max = 3}), Places{});
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 100, .count_max = 2}), (Places{1}));
  EXPECT_EQ(choose_unloads(residents, {.bytes_max = 100, .count_max = 0}), (Places{1, 0}));
}

}  // namespace
}  // namespace canopy::policy
