#include "hyperfaas/presence.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace canopy::hyperfaas {
namespace {

using std::chrono::seconds;

const FunctionName one{"s", "one"};
const FunctionName two{"s", "two"};

struct Watch {
  FakeClock clock;
  exec::Core core{0, clock};
  Presence presence;

  void begin(const FunctionName& name) {
    presence.begin(name, clock.now(), [] { return Duration(seconds(10)); });
  }
  void end(const FunctionName& name) { presence.end(name, clock.now()); }
  void pass(Duration time) {
    clock.advance(time);
    presence.expire(clock.now());
  }
};

std::string text(Presence::Changes::Listener& listener) {
  std::string said;
  const auto changes = listener.take();
  if (!changes) return "lost";
  for (const auto& change : *changes) said += (change.has_instances ? "+" : "-") + change.function.name;
  return said;
}

TEST(Presence, ComesWithTheFirstCallAndGoesWhenIdle) {
  Watch watch;
  const auto [present, listener] = watch.presence.listen(watch.core, 0);
  EXPECT_TRUE(present.empty());
  watch.begin(one);
  watch.begin(one);
  EXPECT_EQ(text(*listener), "+one");
  watch.end(one);
  watch.pass(seconds(60));
  EXPECT_EQ(text(*listener), "") << "one call runs still";
  watch.end(one);
  watch.pass(seconds(9));
  EXPECT_EQ(text(*listener), "");
  watch.pass(seconds(1));
  EXPECT_EQ(text(*listener), "-one");
  watch.begin(one);
  EXPECT_EQ(text(*listener), "+one");
  watch.end(one);
}

TEST(Presence, IsToldToWhoComesLater) {
  Watch watch;
  watch.begin(one);
  const auto [present, listener] = watch.presence.listen(watch.core, 0);
  EXPECT_EQ(present, std::vector{one});
  watch.begin(two);
  EXPECT_EQ(text(*listener), "+two");
  watch.end(one);
  watch.end(two);
}

TEST(Presence, HasRoomForSoManyListeners) {
  Watch watch;
  std::vector<std::unique_ptr<Presence::Changes::Listener>> listeners;
  do listeners.push_back(watch.presence.listen(watch.core, 1).second);
  while (listeners.back() != nullptr);
  EXPECT_EQ(listeners.size(), Presence::listeners_max / 4 * 3 + 1);
  EXPECT_NE(watch.presence.listen(watch.core, 2).second, nullptr) << "others have theirs";
  listeners.clear();
  EXPECT_NE(watch.presence.listen(watch.core, 1).second, nullptr);
}

TEST(News, AreKeptForWhoComesBackAndNoLonger) {
  FakeClock clock;
  exec::Core core(0, clock);
  News<int> news(3, 10);
  for (int i = 0; i < 5; ++i) news.publish(i);
  EXPECT_EQ(news.listen(core, 0)->take(), std::vector<int>{});
  EXPECT_EQ(news.listen(core, 0, 3)->take(), (std::vector<int>{3, 4}));
  EXPECT_EQ(news.listen(core, 0, 2)->take(), (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(news.listen(core, 0, 1)->take(), std::nullopt);
  const auto slow = news.listen(core, 0);
  for (int i = 0; i < 4; ++i) news.publish(i);
  EXPECT_EQ(slow->take(), std::nullopt);
}

TEST(News, EachListenerHearsAllOfIt) {
  FakeClock clock;
  exec::Core core(0, clock);
  News<int> news(10, 10);
  const auto first = news.listen(core, 0);
  const auto second = news.listen(core, 0);
  news.publish(7);
  EXPECT_EQ(first->take(), std::vector<int>{7});
  EXPECT_EQ(second->take(), std::vector<int>{7});
  EXPECT_EQ(first->take(), std::vector<int>{});
}

}  // namespace
}  // namespace canopy::hyperfaas
