#include "container/pool.h"

#include <array>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/pool_fixture.h"

namespace canopy::container {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Pools : public PoolTest {
 protected:
  Pools() : PoolTest(5) {}  // Of which one namespace may have four.

  std::shared_ptr<Pool> make(wire::ContainerSettings settings, const std::string& space = "demo") {
    return PoolTest::make(std::move(settings), {space, "one"});
  }

  static wire::ContainerSettings settings(std::uint32_t concurrency, std::uint32_t max,
                                          std::uint32_t min = 0) {
    wire::ContainerSettings made;
    made.concurrency = concurrency;
    made.instances_min = min;
    made.instances_max = max;
    return made;
  }

  std::shared_ptr<Ticket> take(Pool& pool) {
    auto ticket = std::make_shared<Ticket>(core_);
    pool.take(ticket);
    core_.poll();
    return ticket;
  }

  // That of a ticket which has one.
  static Grant grant(Pool& pool, Ticket& ticket) {
    auto news = pool.look(ticket);
    EXPECT_TRUE(news && *news) << (news ? news->error().message : "it waits");
    return news && *news ? *std::move(*news) : Grant();
  }

  static std::string refusal(Pool& pool, Ticket& ticket) {
    auto news = pool.look(ticket);
    return news && !*news ? news->error().message : "";
  }

  void give(Pool& pool, Grant grant, After after = After::good) {
    pool.give(grant.member, std::move(grant.connection), after);
    core_.poll();
  }

  std::size_t alive_count() const {
    std::size_t count = 0;
    for (const auto& one : engine_.containers) count += one->ended ? 0 : 1;
    return count;
  }
};

TEST_F(Pools, StartAContainerForTheFirstCallAndKeepItForTheNext) {
  const auto pool = make(settings(1, 2));
  EXPECT_EQ(engine_.containers.size(), 0U);
  const auto first = take(*pool);
  Grant place = grant(*pool, *first);
  EXPECT_TRUE(place.is_first);
  EXPECT_TRUE(place.connection);  // That of the probe.
  give(*pool, std::move(place));
  const auto second = take(*pool);
  Grant again = grant(*pool, *second);
  EXPECT_FALSE(again.is_first);
  give(*pool, std::move(again));
  EXPECT_EQ(engine_.containers.size(), 1U);
}

TEST_F(Pools, AreAskedUntilTheServerListens) {
  engine_.listens = false;
  const auto pool = make(settings(1, 1));
  const auto ticket = take(*pool);
  pass(milliseconds(3));
  EXPECT_FALSE(pool->look(*ticket));
  container(0).listens = true;
  pass(milliseconds(50));
  give(*pool, grant(*pool, *ticket));
}

TEST_F(Pools, AServerThatNeverListensIsEndedAndSaysItsLastWords) {
  engine_.listens = false;
  auto wanted = settings(1, 1);
  wanted.start = seconds(5);
  const auto pool = make(wanted);
  const auto ticket = take(*pool);
  const std::string words = "cannot bind\n";
  ASSERT_EQ(write(container(0).output.get(), words.data(), words.size()), 12);
  for (int i = 0; i < 200; ++i) pass(milliseconds(50));
  const std::string why = refusal(*pool, *ticket);
  EXPECT_NE(why.find("did not listen on port 8080 within 5s"), std::string::npos) << why;
  EXPECT_NE(why.find("cannot bind"), std::string::npos) << why;
  EXPECT_TRUE(container(0).is_removed);
  EXPECT_EQ(keeper_.used_room(), 0U);

  // The function is not dead: the next call has it tried again.
  engine_.listens = true;
  const auto next = take(*pool);
  give(*pool, grant(*pool, *next));
}

// Else the keeper would look at it again and again, and do nothing else.
TEST_F(Pools, WhoClosesOneOfItsOutputsIsHeardOnTheOther) {
  engine_.listens = false;
  auto wanted = settings(1, 1);
  wanted.start = seconds(5);
  const auto pool = make(wanted);
  const auto ticket = take(*pool);
  container(0).output.reset();
  for (int i = 0; i < 10; ++i) core_.poll();
  EXPECT_EQ(container(0).look_count, 1);
  ASSERT_EQ(write(container(0).errors.get(), "cannot bind\n", 12), 12);
  for (int i = 0; i < 200; ++i) pass(milliseconds(50));
  EXPECT_NE(refusal(*pool, *ticket).find("cannot bind"), std::string::npos);
}

TEST_F(Pools, AContainerThatEndsBeforeItListensIsAnAnswer) {
  engine_.listens = false;
  const auto pool = make(settings(1, 1));
  const auto ticket = take(*pool);
  container(0).end({.status = 3 << 8, .out_of_memory = false});
  core_.poll();
  const std::string why = refusal(*pool, *ticket);
  EXPECT_NE(why.find("ended with status 3 before it listened"), std::string::npos) << why;
  EXPECT_TRUE(container(0).is_removed);
}

TEST_F(Pools, WhatTheEngineRefusesIsAnAnswer) {
  engine_.failure = Error{Code::refused, "no such program"};
  const auto pool = make(settings(1, 1));
  const auto ticket = take(*pool);
  EXPECT_NE(refusal(*pool, *ticket).find("no such program"), std::string::npos);
  EXPECT_EQ(keeper_.used_room(), 0U);
}

TEST_F(Pools, FailuresInARowAreNotTriedAtOnceAgain) {
  engine_.failure = Error{Code::refused, "no such program"};
  const auto pool = make(settings(1, 1));
  for (int i = 0; i < 3; ++i) EXPECT_NE(refusal(*pool, *take(*pool)), "");
  engine_.failure.reset();
  EXPECT_NE(refusal(*pool, *take(*pool)), "");  // For a moment it is not tried at all.
  pass(seconds(2));
  give(*pool, grant(*pool, *take(*pool)));
}

TEST_F(Pools, ConcurrencyIsKeptAndTheLineIsServedInOrder) {
  const auto pool = make(settings(2, 1));
  const auto a = take(*pool);
  const auto b = take(*pool);
  const auto c = take(*pool);
  const auto d = take(*pool);
  Grant first = grant(*pool, *a);
  Grant second = grant(*pool, *b);
  EXPECT_EQ(first.member, second.member);
  EXPECT_FALSE(pool->look(*c));
  give(*pool, std::move(first));
  Grant third = grant(*pool, *c);
  EXPECT_FALSE(pool->look(*d));
  give(*pool, std::move(second));
  give(*pool, grant(*pool, *d));
  give(*pool, std::move(third));
  EXPECT_EQ(engine_.containers.size(), 1U);
}

TEST_F(Pools, GrowWithTheCallsUpToTheirMost) {
  const auto pool = make(settings(1, 3));
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 10; ++i) tickets.push_back(take(*pool));
  EXPECT_EQ(engine_.containers.size(), 3U);
  for (const auto& ticket : tickets) {
    Grant place = grant(*pool, *ticket);
    give(*pool, std::move(place));
  }
  EXPECT_EQ(engine_.containers.size(), 3U);
}

TEST_F(Pools, ALineHasAnEnd) {
  auto wanted = settings(1, 1);
  wanted.queue = 1;
  const auto pool = make(wanted);
  const auto a = take(*pool);
  Grant place = grant(*pool, *a);
  const auto b = take(*pool);
  const auto c = take(*pool);
  EXPECT_FALSE(pool->look(*b));
  EXPECT_NE(refusal(*pool, *c).find("queue"), std::string::npos);
  pool->leave(*b);
  give(*pool, std::move(place));
}

TEST_F(Pools, WhoLeavesTheLineGivesBackWhatHeWasGranted) {
  const auto pool = make(settings(1, 1));
  const auto a = take(*pool);
  pool->leave(*a);  // Granted already.
  core_.poll();
  give(*pool, grant(*pool, *take(*pool)));
}

TEST_F(Pools, ScaleToZeroAndFromZero) {
  auto wanted = settings(1, 2);
  wanted.idle = seconds(60);
  const auto pool = make(wanted);
  give(*pool, grant(*pool, *take(*pool)));
  pass(seconds(59));
  EXPECT_EQ(alive_count(), 1U);
  pass(seconds(2));
  EXPECT_EQ(alive_count(), 0U);
  EXPECT_TRUE(container(0).is_removed);
  EXPECT_EQ(keeper_.used_room(), 0U);
  give(*pool, grant(*pool, *take(*pool)));
  EXPECT_EQ(engine_.containers.size(), 2U);
}

TEST_F(Pools, ABusyContainerIsNotIdle) {
  auto wanted = settings(1, 1);
  wanted.idle = seconds(1);
  const auto pool = make(wanted);
  Grant place = grant(*pool, *take(*pool));
  for (int i = 0; i < 10; ++i) pass(seconds(1));
  EXPECT_EQ(alive_count(), 1U);
  give(*pool, std::move(place));
  pass(milliseconds(500));
  EXPECT_EQ(alive_count(), 1U);
  for (int i = 0; i < 4; ++i) pass(seconds(1));
  EXPECT_EQ(alive_count(), 0U);
}

TEST_F(Pools, KeepSomeWarm) {
  auto wanted = settings(1, 4, 2);
  wanted.idle = seconds(1);
  const auto pool = make(wanted);
  give(*pool, grant(*pool, *take(*pool)));
  EXPECT_EQ(engine_.containers.size(), 2U);
  for (int i = 0; i < 5; ++i) pass(seconds(1));
  EXPECT_EQ(alive_count(), 2U);
}

TEST_F(Pools, ReplaceOneThatCrashed) {
  const auto pool = make(settings(1, 1));
  Grant place = grant(*pool, *take(*pool));
  bool is_told = false;
  EXPECT_FALSE(pool->ask_end(*place.member, core_, [&] { is_told = true; }));
  container(0).end({.status = SIGSEGV, .out_of_memory = false});
  core_.poll();
  EXPECT_TRUE(is_told);
  const auto end = pool->ask_end(*place.member, core_, nullptr);
  ASSERT_TRUE(end);
  EXPECT_EQ(end_text(*end, 0), "its container was ended by signal 11 (SIGSEGV)");
  give(*pool, std::move(place), After::broken);
  const auto next = take(*pool);
  pass(seconds(1));
  give(*pool, grant(*pool, *next));
  EXPECT_EQ(engine_.containers.size(), 2U);
}

TEST_F(Pools, OneThatIsUnfitEndsWithItsLastCall) {
  const auto pool = make(settings(2, 1));
  Grant first = grant(*pool, *take(*pool));
  Grant second = grant(*pool, *take(*pool));
  give(*pool, std::move(first), After::unfit);
  EXPECT_EQ(alive_count(), 1U);
  const auto next = take(*pool);
  EXPECT_FALSE(pool->look(*next));  // Not in that one.
  give(*pool, std::move(second));
  EXPECT_EQ(alive_count(), 1U);  // The new one.
  EXPECT_EQ(engine_.containers.size(), 2U);
  give(*pool, grant(*pool, *next));
}

TEST_F(Pools, RetiredTheyEndWithTheirCalls) {
  auto pool = make(settings(1, 2));
  Grant place = grant(*pool, *take(*pool));
  pool->retire();
  core_.poll();
  EXPECT_EQ(alive_count(), 1U);
  give(*pool, std::move(place));
  EXPECT_EQ(alive_count(), 0U);
  EXPECT_EQ(keeper_.used_room(), 0U);
  pool.reset();
  core_.poll();
}

TEST_F(Pools, OfSeveralFunctionsShareTheRoom) {
  const auto busy = make(settings(1, 4));
  const auto other = make(settings(1, 1));
  std::vector<Grant> places;
  for (int i = 0; i < 4; ++i) places.push_back(grant(*busy, *take(*busy)));
  const auto waits = take(*other);
  EXPECT_FALSE(other->look(*waits));
  EXPECT_EQ(keeper_.used_room(), 4U);
  give(*busy, std::move(places.back()));
  places.pop_back();
  pass(seconds(1));
  // The idle one has made room.
  give(*other, grant(*other, *waits));
  EXPECT_EQ(keeper_.used_room(), 4U);
  for (Grant& place : places) give(*busy, std::move(place));
}

// However many calls one sends that last, and however many functions it has.
TEST_F(Pools, OneNamespaceLeavesRoomForTheNext) {
  const auto first = make(settings(1, 8), "greedy");
  const auto second = make(settings(1, 8, 4), "greedy");
  const auto other = make(settings(1, 8), "modest");
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 8; ++i) tickets.push_back(take(*first));
  const auto more = take(*second);
  EXPECT_EQ(keeper_.used_room(), 4U);
  give(*other, grant(*other, *take(*other)));
  EXPECT_EQ(keeper_.used_room(), 5U);
  // Those that wait would not get its place, so it stays.
  for (int i = 0; i < 5; ++i) pass(seconds(1));
  Grant again = grant(*other, *take(*other));
  EXPECT_FALSE(again.is_first);
  give(*other, std::move(again));
  for (int i = 4; i < 8; ++i) first->leave(*tickets[static_cast<std::size_t>(i)]);
  second->leave(*more);
  for (int i = 0; i < 4; ++i) give(*first, grant(*first, *tickets[static_cast<std::size_t>(i)]));
}

// Of its own it stops as many as it takes.
TEST_F(Pools, OneNamespaceMakesRoomForItself) {
  const auto other = make(settings(1, 8), "modest");
  Grant place = grant(*other, *take(*other));
  const auto first = make(settings(1, 8), "greedy");
  std::vector<Grant> places;
  for (int i = 0; i < 3; ++i) places.push_back(grant(*first, *take(*first)));
  const auto second = make(settings(1, 8), "greedy");
  const auto waits = take(*second);
  EXPECT_FALSE(second->look(*waits));
  for (Grant& one : places) give(*first, std::move(one));
  for (int i = 0; i < 3; ++i) pass(seconds(1));
  give(*second, grant(*second, *waits));
  give(*other, std::move(place));
}

TEST_F(Pools, AnIdleOneOfAnotherFunctionMakesRoom) {
  const auto idle = make(settings(1, 4));
  std::vector<Grant> places;
  for (int i = 0; i < 4; ++i) places.push_back(grant(*idle, *take(*idle)));
  for (Grant& place : places) give(*idle, std::move(place));
  const auto other = make(settings(1, 1));
  const auto ticket = take(*other);
  give(*other, grant(*other, *ticket));
  EXPECT_EQ(alive_count(), 4U);
}

TEST_F(Pools, RoomThatOneDoesNotWantAnyMoreIsTheNextOnes) {
  const auto busy = make(settings(1, 4));
  std::vector<Grant> places;
  for (int i = 0; i < 4; ++i) places.push_back(grant(*busy, *take(*busy)));
  const auto first = make(settings(1, 1));
  const auto second = make(settings(1, 1));
  const auto gives_up = take(*first);
  const auto waits = take(*second);
  first->leave(*gives_up);
  give(*busy, std::move(places.back()), After::broken);
  places.pop_back();
  give(*second, grant(*second, *waits));
  EXPECT_EQ(engine_.containers.size(), 5U);
  for (Grant& place : places) give(*busy, std::move(place));
}

TEST_F(Pools, ThoseThatAreToBeThereAlwaysDoNotStopEachOthers) {
  const auto one = make(settings(1, 3, 3));
  const auto two = make(settings(1, 3, 3));
  give(*one, grant(*one, *take(*one)));
  give(*two, grant(*two, *take(*two)));  // For its call an idle one of the other ends.
  EXPECT_EQ(alive_count(), 4U);
  const std::size_t started = engine_.containers.size();
  for (int i = 0; i < 20; ++i) pass(seconds(1));
  EXPECT_EQ(engine_.containers.size(), started) << "nobody calls, and yet containers come and go";
  // A call is served all the same.
  const auto other = make(settings(1, 1));
  give(*other, grant(*other, *take(*other)));
}

TEST_F(Pools, ClosedTheyRefuseAndEnd) {
  const auto pool = make(settings(1, 1));
  Grant place = grant(*pool, *take(*pool));
  const auto waits = take(*pool);
  keeper_.close();
  core_.poll();
  EXPECT_EQ(alive_count(), 0U);
  EXPECT_NE(refusal(*pool, *waits).find("stops"), std::string::npos);
  give(*pool, std::move(place));
  EXPECT_EQ(keeper_.used_room(), 0U);
}

TEST_F(Pools, OfACommandGiveEachCallAContainerOfItsOwn) {
  auto wanted = settings(1, 2);
  wanted.contract = wire::ContainerSettings::Contract::command;
  const auto pool = make(wanted);
  Grant first = grant(*pool, *take(*pool));
  const auto second_ticket = take(*pool);
  Grant second = grant(*pool, *second_ticket);
  EXPECT_NE(first.member, second.member);
  const auto third = take(*pool);
  EXPECT_FALSE(pool->look(*third));
  give(*pool, std::move(first));
  Grant last = grant(*pool, *third);
  EXPECT_EQ(engine_.containers.size(), 3U);
  give(*pool, std::move(second));
  give(*pool, std::move(last));
  EXPECT_EQ(alive_count(), 0U);
}

}  // namespace
}  // namespace canopy::container
