#include "policy/scale.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

FleetLoad load(std::uint64_t waiting, std::uint64_t running, std::uint32_t workers, Duration run_time,
               Time now = Time(seconds(1000))) {
  return {.now = now,
          .waiting_count = waiting,
          .running_count = running,
          .mean_run_time = run_time,
          .slots_per_worker = 4,
          .worker_count = workers};
}

TEST(ScaleRules, HaveNames) {
  for (const ScaleRule rule : {ScaleRule::target_delay, ScaleRule::doubling}) {
    EXPECT_EQ(parse_scale_rule(to_text(rule)).value(), rule);
  }
  const auto unknown = parse_scale_rule("trebling");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            "there is no rule 'trebling' for scaling; it is target-delay or doubling");
}

TEST(Doubling, DoublesAndHalvesAsItsSourceDoes) {
  struct Case {
    std::uint64_t waiting;
    std::uint32_t before, after;
  };
  for (const Case& each : {Case{33, 1, 2},
                           {33, 2, 4},
                           {32, 4, 4},
                           {2, 4, 4},
                           {1, 4, 2},
                           {0, 5, 2},
                           {0, 1, 1},
                           {1000, 32, 64},
                           {1000, 40, 64},
                           {1000, 64, 64}}) {
    Scaler scaler({.rule = ScaleRule::doubling});
    EXPECT_EQ(scaler.decide(load(each.waiting, 0, each.before, milliseconds(1))), each.after)
        << each.waiting << " waiting, " << each.before << " workers";
  }
  EXPECT_EQ(Scaler({.rule = ScaleRule::doubling}).period(), seconds(5));
}

TEST(Scaling, StaysBetweenItsEnds) {
  Scaler scaler({.rule = ScaleRule::doubling, .worker_min = 3, .worker_max = 5});
  EXPECT_EQ(scaler.decide(load(0, 0, 4, milliseconds(1))), 3);
  EXPECT_EQ(scaler.decide(load(100, 0, 4, milliseconds(1))), 5);
  Scaler other({.worker_min = 3, .worker_max = 5});
  EXPECT_EQ(other.decide(load(0, 0, 4, milliseconds(1))), 3);
  EXPECT_EQ(other.decide(load(1'000'000'000, 0, 4, seconds(900))), 5);
}

TEST(TargetDelay, HasTheWaitingBegunWithinTheDelay) {
  // 40 calls of 100 ms within a second: 4 slots, one worker. Those that run keep theirs.
  EXPECT_EQ(Scaler({}).decide(load(40, 0, 1, milliseconds(100))), 1);
  EXPECT_EQ(Scaler({}).decide(load(40, 4, 1, milliseconds(100))), 2);
  EXPECT_EQ(Scaler({}).decide(load(400, 4, 1, milliseconds(100))), 11);
  EXPECT_EQ(Scaler({.delay = seconds(10)}).decide(load(400, 4, 1, milliseconds(100))), 2);
}

TEST(TargetDelay, AddsNothingForManyShortCalls) {
  EXPECT_EQ(Scaler({}).decide(load(40, 1, 1, milliseconds(1))), 1) << "doubling would double here";
}

TEST(TargetDelay, CountsWorkersThatStartAsWorkers) {
  Scaler scaler({});
  EXPECT_EQ(scaler.decide(load(400, 4, 1, milliseconds(100), Time(seconds(1)))), 11);
  EXPECT_EQ(scaler.decide(load(400, 4, 11, milliseconds(100), Time(seconds(2)))), 11) << "not 22";
}

TEST(TargetDelay, TakesTheDelayForARunTimeNobodyKnows) {
  FleetLoad first = load(8, 0, 0, {});
  first.mean_run_time.reset();
  EXPECT_EQ(Scaler({}).decide(first), 2);
}

TEST(TargetDelay, TakesNothingAwayThatWasNeededWithinTheCoolDown) {
  Scaler scaler({.cool_down = seconds(30)});
  const Time start(seconds(1000));
  ASSERT_EQ(scaler.decide(load(400, 4, 1, milliseconds(100), start)), 11);
  std::uint32_t count = 11;
  for (Duration passed{}; passed <= seconds(30); passed += milliseconds(500)) {
    count = scaler.decide(load(0, 0, count, milliseconds(100), start + passed));
    ASSERT_EQ(count, 11) << passed / milliseconds(1) << " ms later";
  }
  count = scaler.decide(load(0, 0, count, milliseconds(100), start + seconds(46)));
  EXPECT_EQ(count, 1);
}

TEST(TargetDelay, DoesNotFlapWithALoadThatComesAndGoes) {
  Scaler scaler({.cool_down = seconds(30)});
  const Time start(seconds(1000));
  std::uint32_t count = 1, changes = 0;
  for (int i = 0; i < 1200; ++i) {
    const bool burst = i % 20 < 4;
    const std::uint32_t next = scaler.decide(
        load(burst ? 400 : 0, burst ? 4 : 0, count, milliseconds(100), start + i * milliseconds(500)));
    changes += next != count ? 1 : 0;
    count = next;
  }
  EXPECT_EQ(changes, 1);
}

TEST(Scaling, MissingDataIsNotIdleness) {
  for (const ScaleRule rule : {ScaleRule::target_delay, ScaleRule::doubling}) {
    Scaler scaler({.rule = rule, .cool_down = milliseconds(1)});
    FleetLoad blind = load(0, 0, 8, milliseconds(1));
    blind.waiting_count.reset();
    EXPECT_EQ(scaler.decide(blind), 8);
  }
  Scaler scaler({.cool_down = milliseconds(1)});
  FleetLoad blind = load(0, 0, 8, milliseconds(1));
  blind.running_count.reset();
  EXPECT_EQ(scaler.decide(blind), 8);
}

TEST(TargetDelay, ForgetsAfterALongSilence) {
  Scaler scaler({.cool_down = seconds(30)});
  ASSERT_EQ(scaler.decide(load(400, 4, 1, milliseconds(100), Time(seconds(1)))), 11);
  EXPECT_EQ(scaler.decide(load(0, 0, 11, milliseconds(100), Time(seconds(1'000'000)))), 1);
}

TEST(TargetDelay, LeavesOfTheDelayWhatAWorkerNeedsToStart) {
  const ScaleSettings settings{.worker_max = 64, .delay = seconds(1)};
  FleetLoad known = load(8, 0, 1, seconds(1));
  known.start_time = milliseconds(500);
  EXPECT_EQ(Scaler(settings).decide(known), 4);  // 8 calls of a second in half a second, on 4 slots each.
  known.start_time = seconds(10);
  EXPECT_EQ(Scaler(settings).decide(known), 8);  // A quarter of the delay is left in any case.
}

TEST(TargetDelay, WantsAnotherWhereAllAreBusy) {
  const ScaleSettings settings{.worker_max = 64};
  FleetLoad busy = load(0, 2, 1, milliseconds(1));
  busy.busy_cores = 0.8;
  EXPECT_EQ(Scaler(settings).decide(busy), 1);
  busy.busy_cores = 0.97;
  EXPECT_EQ(Scaler(settings).decide(busy), 2);
}

}  // namespace
}  // namespace canopy::policy
