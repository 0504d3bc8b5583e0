#include "hyperfaas/machine_load.h"

#include <gtest/gtest.h>

namespace canopy::hyperfaas {
namespace {

TEST(MachineLoad, IsReadFromWhatTheKernelSays) {
  const auto cores = read_cores(
      "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 1 2 80 5 1 1 0 7 7\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 1\n");
  ASSERT_EQ(cores.size(), 2U);
  EXPECT_EQ(cores[0].all, 100U);
  EXPECT_EQ(cores[0].busy, 15U);
  EXPECT_EQ(cores[1].busy, 0U);
  EXPECT_TRUE(read_cores("").empty());
  EXPECT_TRUE(read_cores("cpufreq\n").size() <= 1);
  EXPECT_EQ(read_ram_percent("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n"), 75);
  EXPECT_EQ(read_ram_percent("nothing"), 0);
}

TEST(MachineLoad, IsThatOfTheTimeBetween) {
  const std::vector<CoreTicks> before = {{.busy = 10, .all = 100}, {.busy = 10, .all = 100}};
  const std::vector<CoreTicks> after = {{.busy = 15, .all = 110}, {.busy = 10, .all = 100}};
  EXPECT_EQ(percents_between(before, after), (std::vector<double>{50, 10}));
  EXPECT_EQ(percents_between({}, after).size(), 2U) << "a core that has just come";
}

TEST(MachineLoad, OfThisMachineHasAllCores) {
  EXPECT_FALSE(cores_now().empty());
  EXPECT_GT(ram_percent_now(), 0);
  EXPECT_LT(ram_percent_now(), 100);
}

}  // namespace
}  // namespace canopy::hyperfaas
