#include "worker/colleague.h"

#include <gtest/gtest.h>

namespace canopy::worker {
namespace {

using policy::Dispatch;

TEST(Colleague, OneOfThisMachineHasNoPlacesOfItsOwn) {
  Colleague worker;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(worker.take_place(Dispatch::push, Time{}));
  EXPECT_EQ(worker.running_count, 5U);
}

TEST(Colleague, APushNeedsAFreePlaceAndNoAsk) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(2);
  EXPECT_EQ(worker.room(Dispatch::push), 2U);
  EXPECT_TRUE(worker.take_place(Dispatch::push, Time{}));
  EXPECT_TRUE(worker.take_place(Dispatch::push, Time{}));
  EXPECT_FALSE(worker.take_place(Dispatch::push, Time{}));
  worker.give_place();
  EXPECT_EQ(worker.room(Dispatch::push), 1U);
}

TEST(Colleague, APullNeedsAnAsk) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(2);
  EXPECT_EQ(worker.room(Dispatch::pull), 0U);
  EXPECT_FALSE(worker.take_place(Dispatch::pull, Time{}));
  EXPECT_EQ(worker.running_count, 0U);
  worker.ask(1, Time{});
  EXPECT_TRUE(worker.take_place(Dispatch::pull, Time{}));
  EXPECT_FALSE(worker.take_place(Dispatch::pull, Time{}));
}

TEST(Colleague, APushUsesUpAnAsk) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(2);
  worker.ask(2, Time{});
  EXPECT_TRUE(worker.take_place(Dispatch::push, Time{}));
  EXPECT_EQ(worker.room(Dispatch::pull), 1U);
}

TEST(Colleague, NobodyAsksForMoreThanItsSlots) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(3);
  worker.ask(1, Time{});
  worker.ask(~std::uint64_t{0}, Time{});
  EXPECT_EQ(worker.asked_count, 3U);
}

TEST(Colleague, WhatIsNotSentIsGivenBack) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(1);
  worker.ask(1, Time{});
  EXPECT_TRUE(worker.take_place(Dispatch::pull, Time{}));
  worker.give_back(Time{});
  EXPECT_TRUE(worker.take_place(Dispatch::pull, Time{}));
}

TEST(Colleague, WhoGotACallGoesToTheEndOfTheLine) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(2);
  worker.ask(2, Time(Duration(10)));
  EXPECT_EQ(worker.asked_since, 10);
  EXPECT_TRUE(worker.take_place(Dispatch::pull, Time(Duration(20))));
  EXPECT_EQ(worker.asked_since, 20);
  worker.ask(1, Time(Duration(30)));  // It still waits for the other one.
  EXPECT_EQ(worker.asked_since, 20);
}

TEST(Colleague, WhoseSlotsBecomeFewerAsksForNoMoreThanThose) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(4, 1);
  worker.ask(4, Time{});
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(worker.take_place(Dispatch::push, Time{}));
  EXPECT_TRUE(worker.set_slots(1, 2));
  EXPECT_EQ(worker.asked_count, 1U);
  EXPECT_EQ(worker.room(Dispatch::push), 0U);  // More run than that now, and end in their time.
  EXPECT_FALSE(worker.take_place(Dispatch::pull, Time{}));
  worker.give_place();
  worker.give_place();
  EXPECT_EQ(worker.room(Dispatch::push), 1U);
}

TEST(Colleague, OldNewsOfItsSlotsIsNoNews) {
  Colleague worker;
  worker.joined = true;
  worker.set_slots(3);
  EXPECT_TRUE(worker.set_slots(8, 5));
  EXPECT_FALSE(worker.set_slots(2, 4));
  EXPECT_EQ(worker.slots(), 8U);
}

TEST(Colleague, HasTheRuntimesItSays) {
  Colleague worker;
  EXPECT_TRUE(worker.has_runtime("python"));
  worker.runtimes = {"wasm"};
  EXPECT_TRUE(worker.has_runtime("wasm"));
  EXPECT_FALSE(worker.has_runtime("python"));
}

}  // namespace
}  // namespace canopy::worker
