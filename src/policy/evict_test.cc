#include "policy/evict.h"

#include <array>

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

constexpr Time at(int second) { return Time(std::chrono::seconds(second)); }
using Places = std::vector<std::size_t>;

TEST(ChooseUnloads, LeavesWhatFits) {
  const std::array residents = {Resident{.bytes = 50, .used = at(1)}, Resident{.bytes = 50, .used = at(2)}};
  EXPECT_EQ(choose_unloads(residents, 100), Places{});
  EXPECT_EQ(choose_unloads({}, 0), Places{});
}

TEST(ChooseUnloads, TakesTheLeastRecentlyUsedUntilTheRestFits) {
  const std::array residents = {Resident{.bytes = 40, .used = at(3)}, Resident{.bytes = 40, .used = at(1)},
                                Resident{.bytes = 40, .used = at(2)}};
  EXPECT_EQ(choose_unloads(residents, 100), (Places{1}));
  EXPECT_EQ(choose_unloads(residents, 79), (Places{1, 2}));
  EXPECT_EQ(choose_unloads(residents, 0), (Places{1, 2, 0}));
}

TEST(ChooseUnloads, NeverTakesABusyOneOrOneThatHoldsNothing) {
  const std::array residents = {Resident{.bytes = 90, .used = at(1), .busy = true},
                                Resident{.bytes = 0, .used = at(2)}, Resident{.bytes = 90, .used = at(3)}};
  EXPECT_EQ(choose_unloads(residents, 50), (Places{2}));
}

}  // namespace
}  // namespace canopy::policy
