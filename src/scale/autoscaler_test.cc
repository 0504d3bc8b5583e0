#include "scale/autoscaler.h"

#include <gtest/gtest.h>

namespace canopy::scale {
namespace {

class FakeFleet final : public Fleet {
 public:
  std::vector<Node> nodes() const override { return {}; }
  policy::FleetLoad load() override { return now; }
  void resize(std::uint32_t count) override {
    ++resize_count;
    now.worker_count = count;
  }
  void listen(Listener /*listener*/) override {}

  policy::FleetLoad now{.now = Time(std::chrono::seconds(1000)),
                        .waiting_count = 0,
                        .running_count = 0,
                        .mean_run_time = std::chrono::seconds(1),
                        .slots_per_worker = 4,
                        .worker_count = 1};
  int resize_count = 0;
};

TEST(Autoscaler, AddsWhatWaitsElsewhereToWhatWaitsInTheFleet) {
  FakeFleet fleet;
  fleet.now.waiting_count = 20;
  Autoscaler scaler(fleet, [] { return 20; }, {.rule = policy::ScaleRule::doubling});
  EXPECT_EQ(scaler.tick(), std::chrono::seconds(5));
  EXPECT_EQ(fleet.now.worker_count, 2U);
}

TEST(Autoscaler, LeavesAFleetAloneThatIsAsItShouldBe) {
  FakeFleet fleet;
  Autoscaler scaler(fleet, [] { return 0; }, {});
  scaler.tick();
  EXPECT_EQ(fleet.resize_count, 0);
}

TEST(Autoscaler, TakesMissingDataForNoSignOfIdleness) {
  FakeFleet fleet;
  fleet.now.worker_count = 8;
  Autoscaler scaler(fleet, [] { return std::nullopt; }, {.rule = policy::ScaleRule::doubling});
  for (int i = 0; i < 10; ++i) scaler.tick();
  EXPECT_EQ(fleet.resize_count, 0);
}

TEST(Autoscaler, TakesAwayOnlyWhatWasNotNeededForAWhile) {
  FakeFleet fleet;
  Autoscaler scaler(fleet, [] { return 0; }, {.worker_max = 8, .cool_down = std::chrono::seconds(10)});
  fleet.now.waiting_count = 20;
  const Duration period = scaler.tick();
  EXPECT_EQ(fleet.now.worker_count, 5U);
  fleet.now.waiting_count = 0;
  for (Duration passed{}; passed < std::chrono::seconds(9); passed += period) {
    fleet.now.now += period;
    scaler.tick();
    EXPECT_EQ(fleet.now.worker_count, 5U);
  }
  for (Duration passed{}; passed < std::chrono::seconds(10); passed += period) {
    fleet.now.now += period;
    scaler.tick();
  }
  EXPECT_EQ(fleet.now.worker_count, 1U);
  EXPECT_EQ(fleet.resize_count, 2);
}

}  // namespace
}  // namespace canopy::scale
