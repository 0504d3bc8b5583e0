#include "hyperfaas/instances.h"

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::hyperfaas {
namespace {

using std::chrono::seconds;

const FunctionName one{"s", "one"};
const FunctionName two{"s", "two"};
const Duration idle = seconds(10);

struct World {
  FakeClock clock;
  exec::Core core{0, clock};
  Instances instances;

  Instances::Moment at() const { return {.now = clock.now(), .wall = clock.wall_now()}; }
  std::string start(const FunctionName& function) { return *instances.start(function, idle, at()); }
  std::string begin(const FunctionName& function) { return *instances.begin_call(function, idle, at()); }
  void end(const FunctionName& function, const std::string& instance, bool crashed = false) {
    instances.end_call(function, instance, crashed, at());
  }
  std::unique_ptr<Instances::Events::Listener> listen(const std::string& node, std::uint64_t user = 0) {
    return instances.listen(core, user, node, clock.now());
  }
  void pass(Duration time) {
    clock.advance(time);
    instances.expire(at());
  }
};

// Each event as the first letters of its kind, with "!" for a failure, and its instance.
std::string heard(Instances::Events::Listener& listener) {
  constexpr std::array<std::string_view, 7> words = {"response", "down", "timeout", "start",
                                                     "stop",     "call", "running"};
  std::string text;
  const auto happened = listener.take();
  if (!happened) return "lost";
  for (const auto& [function, event] : *happened) {
    if (!text.empty()) text += ' ';
    text += words.at(static_cast<std::size_t>(event.kind));
    if (event.is_failure) text += '!';
    text += ":" + event.function_id + ":" + event.instance_id;
  }
  return text;
}

TEST(Instances, StartAndStopAreHeardByEachListener) {
  World world;
  const auto first = world.listen("a");
  const auto second = world.listen("a");
  const auto third = world.listen("b");
  const std::string id = world.start(one);
  EXPECT_EQ(id.size(), 12U);
  EXPECT_EQ(world.instances.find(id), one);
  EXPECT_TRUE(world.instances.stop(id, world.at()));
  EXPECT_FALSE(world.instances.stop(id, world.at()));
  EXPECT_EQ(world.instances.find(id), std::nullopt);
  world.instances.fail_start(two, world.at());
  const std::string all = "start:one:" + id + " stop:one:" + id + " start!:two:";
  for (auto* const listener : {first.get(), second.get(), third.get()}) EXPECT_EQ(heard(*listener), all);
  EXPECT_EQ(world.instances.count(), 0U);
}

TEST(Instances, TakeTurns) {
  World world;
  const std::string a = world.start(one);
  const std::string b = world.start(one);
  const std::string first = world.begin(one);
  const std::string second = world.begin(one);
  EXPECT_NE(first, second);
  EXPECT_TRUE((first == a && second == b) || (first == b && second == a));
  EXPECT_EQ(world.begin(one), first);
}

TEST(Instances, ACallWithoutOneStartsOne) {
  World world;
  const auto listener = world.listen("a");
  const std::string id = world.begin(one);
  EXPECT_EQ(heard(*listener), "start:one:" + id);
  world.end(one, id);
  EXPECT_EQ(world.begin(one), id);
}

TEST(Instances, EndWhenIdleAndNotWhileTheyHaveACall) {
  World world;
  const auto listener = world.listen("a");
  const std::string id = world.begin(one);
  world.pass(seconds(60));
  world.end(one, id);
  EXPECT_EQ(heard(*listener), "start:one:" + id);
  world.pass(seconds(9));
  EXPECT_EQ(heard(*listener), "");
  world.pass(seconds(1));
  EXPECT_EQ(heard(*listener), "timeout:one:" + id);
  EXPECT_EQ(world.instances.count(), 0U);
}

// A container may end by itself before its time, or crash with nobody calling.
TEST(Instances, EndWithWhatStandsBehindThem) {
  World world;
  exec::Standing behind{.count = 1};
  const auto look = [&](const FunctionName& function) -> std::optional<exec::Standing> {
    if (function == one) return behind;
    return std::nullopt;
  };
  const auto listener = world.listen("a");
  const std::string called = world.begin(one);
  const std::string uncalled = world.start(one);
  const std::string other = world.begin(two);
  world.end(two, other);
  heard(*listener);
  behind.count = 0;
  world.instances.expire(world.at(), look);
  EXPECT_EQ(heard(*listener), "") << "it runs yet";
  world.end(one, called);
  world.instances.expire(world.at(), look);
  EXPECT_EQ(heard(*listener), "timeout:one:" + called);
  EXPECT_EQ(world.instances.find(uncalled), one) << "nothing stood behind it yet";
  EXPECT_EQ(world.begin(one), uncalled);
  world.end(one, uncalled);
  behind.is_crashed = true;
  world.instances.expire(world.at(), look);
  EXPECT_EQ(heard(*listener), "down!:one:" + uncalled);
}

TEST(Instances, EndInTheOrderOfTheirTimes) {
  World world;
  const auto listener = world.listen("a");
  const std::string late = *world.instances.start(one, seconds(30), world.at());
  const std::string soon = *world.instances.start(one, seconds(5), world.at());
  const std::string kept = world.begin(two);
  world.end(two, kept);
  heard(*listener);
  world.pass(seconds(5));
  EXPECT_EQ(heard(*listener), "timeout:one:" + soon);
  EXPECT_EQ(world.begin(two), kept);
  world.end(two, kept);  // From here it has its ten seconds again.
  world.pass(seconds(9));
  EXPECT_EQ(heard(*listener), "");
  world.pass(seconds(20));
  EXPECT_EQ(heard(*listener), "timeout:two:" + kept + " timeout:one:" + late);
  EXPECT_EQ(world.instances.count(), 0U);
}

// However many functions there are, each time only some of them are looked at, and each has its turn.
TEST(Instances, AskWhatStandsOfSomeFunctionsAtATime) {
  World world;
  const std::size_t all = 2 * Instances::standing_asks_max + 1;
  for (std::size_t i = 0; i < all; ++i) {
    const FunctionName function{"s", "f" + std::to_string(i)};
    world.end(function, world.begin(function));
  }
  world.start(one);  // Without a call nothing has stood behind it.
  std::set<FunctionName> asked;
  std::size_t asks = 0;
  const auto look = [&](const FunctionName& function) -> std::optional<exec::Standing> {
    ++asks;
    asked.insert(function);
    return exec::Standing{.count = 1};
  };
  for (std::size_t round = 1; round <= 3; ++round) {
    world.instances.expire(world.at(), look);
    EXPECT_EQ(asks, round * Instances::standing_asks_max);
  }
  EXPECT_EQ(asked.size(), all);
  EXPECT_FALSE(asked.contains(one));
  EXPECT_EQ(world.instances.count(), all + 1);
}

TEST(Instances, ACrashEndsOne) {
  World world;
  const auto listener = world.listen("a");
  const std::string id = world.begin(one);
  world.end(one, id, true);
  EXPECT_EQ(heard(*listener), "start:one:" + id + " down!:one:" + id);
  EXPECT_NE(world.begin(one), id);
  // A call of one that was stopped meanwhile ends quietly.
  const std::string stopped = world.begin(two);
  world.instances.stop(stopped, world.at());
  heard(*listener);
  world.end(two, stopped, true);
  EXPECT_EQ(heard(*listener), "");
}

TEST(Instances, ANodeThatComesBackHearsWhatItMissed) {
  World world;
  auto listener = world.listen("leaf");
  const std::string a = world.start(one);
  EXPECT_EQ(heard(*listener), "start:one:" + a);
  world.instances.leave("leaf", listener->next(), world.clock.now());
  listener.reset();
  const std::string b = world.start(two);
  world.clock.advance(seconds(19));
  EXPECT_EQ(heard(*world.listen("other")), "") << "who was not there has missed nothing";
  listener = world.listen("leaf");
  EXPECT_EQ(heard(*listener), "start:two:" + b);
}

TEST(Instances, ANodeThatStaysAwayIsForgotten) {
  World world;
  auto listener = world.listen("leaf");
  world.instances.leave("leaf", listener->next(), world.clock.now());
  listener.reset();
  world.start(one);
  world.clock.advance(Instances::remembered_time + seconds(1));
  EXPECT_EQ(heard(*world.listen("leaf")), "");
}

TEST(Instances, ANodeThatMissedTooMuchIsToldSo) {
  World world;
  auto listener = world.listen("leaf");
  world.instances.leave("leaf", listener->next(), world.clock.now());
  listener.reset();
  for (std::size_t i = 0; i <= Instances::events_max; ++i) world.instances.fail_start(one, world.at());
  EXPECT_EQ(heard(*world.listen("leaf")), "lost");
}

TEST(Instances, AsManyMayBeAsMay) {
  World world;
  while (const auto started = world.instances.start(one, idle, world.at())) {
  }
  const std::size_t had = world.instances.count();
  EXPECT_EQ(had, Instances::count_max / 4 * 3);
  EXPECT_EQ(world.instances.start(two, idle, world.at()).error().code, Code::exhausted);
  EXPECT_EQ(world.instances.begin_call(two, idle, world.at()).error().code, Code::exhausted);
  EXPECT_TRUE(world.instances.begin_call(one, idle, world.at()));
  // Who starts without end does not keep others from it.
  const FunctionName others{"t", "one"};
  EXPECT_TRUE(world.instances.start(others, idle, world.at()));
  EXPECT_TRUE(world.instances.begin_call(others, idle, world.at()));
  world.pass(idle);
  EXPECT_EQ(world.instances.count(), 2U);  // Those that have a call.
  EXPECT_TRUE(world.instances.start(two, idle, world.at()));
}

TEST(Instances, AsManyMayListenAsMay) {
  World world;
  std::vector<std::unique_ptr<Instances::Events::Listener>> listeners;
  do listeners.push_back(world.listen("x", 1));
  while (listeners.back() != nullptr);
  EXPECT_EQ(listeners.size(), Instances::listeners_max / 4 * 3 + 1);
  EXPECT_NE(world.listen("x", 2), nullptr);
  listeners.clear();
  EXPECT_NE(world.listen("x", 1), nullptr);
}

}  // namespace
}  // namespace canopy::hyperfaas
