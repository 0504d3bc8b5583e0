#include "api/feed.h"

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

const auto everything = [](const Happening&) { return true; };
const auto no_text = [] { return std::string(); };

Happening piece_of(std::string space) {
  Happening happening;
  happening.function = {std::move(space), "x"};
  return happening;
}

TEST(Feed, BringsEachFollowerWhatItWantsInOrder) {
  exec::Core core(0, system_clock());
  Feed feed;
  const auto all = feed.follow(core, everything);
  const auto some = feed.follow(core, [](const Happening& h) { return h.function.space == "b"; });
  for (const char* const space : {"a", "b", "c", "b"}) {
    feed.publish(piece_of(space), [space] { return std::string(space) + "!"; });
  }
  std::string seen;
  for (const auto& happening : all->take()) seen += happening->text;
  EXPECT_EQ(seen, "a!b!c!b!");
  EXPECT_EQ(some->take().size(), 2U);
  EXPECT_TRUE(all->take().empty());
  EXPECT_EQ(all->take_lost_count(), 0U);
  core.poll();
}

TEST(Feed, MakesTextOnlyWhereSomebodyWantsIt) {
  exec::Core core(0, system_clock());
  Feed feed;
  int made = 0;
  const auto text = [&made] {
    ++made;
    return std::string("x");
  };
  feed.publish(piece_of("a"), text);
  const auto picky = feed.follow(core, [](const Happening&) { return false; });
  feed.publish(piece_of("a"), text);
  EXPECT_EQ(made, 0);
  const auto one = feed.follow(core, everything);
  const auto two = feed.follow(core, everything);
  feed.publish(piece_of("a"), text);
  EXPECT_EQ(made, 1);
  core.poll();
}

TEST(Feed, DropsAndCountsWhatASlowFollowerDoesNotTake) {
  exec::Core core(0, system_clock());
  Feed feed;
  const auto slow = feed.follow(core, everything);
  for (std::size_t i = 0; i < Feed::queue_count_max + 7; ++i) feed.publish(piece_of("a"), no_text);
  EXPECT_EQ(slow->take_lost_count(), 7U);
  EXPECT_EQ(slow->take_lost_count(), 0U);
  EXPECT_EQ(slow->take().size(), Feed::queue_count_max);
  const auto large = [] { return std::string(Feed::queue_bytes_max / 2, 'x'); };
  for (int i = 0; i < 5; ++i) feed.publish(piece_of("a"), large);
  EXPECT_EQ(slow->take().size(), 1U);
  EXPECT_EQ(slow->take_lost_count(), 4U);
  core.poll();
}

TEST(Feed, WakesWhoFollowsOnItsCore) {
  exec::Core core(0, system_clock());
  Feed feed;
  const auto follower = feed.follow(core, everything);
  bool woken = false;
  const auto wait = [](Feed::Follower& waiting, bool& done) -> net::Task<void> {
    co_await waiting.event().wait();
    done = true;
  };
  net::asio::co_spawn(core.io(), wait(*follower, woken), net::asio::detached);
  core.poll();
  EXPECT_FALSE(woken);
  feed.publish(piece_of("a"), no_text);
  core.poll();
  EXPECT_TRUE(woken);
}

TEST(Feed, HasAnEndOfFollowersAndForgetsThoseThatLeft) {
  exec::Core core(0, system_clock());
  Feed feed;
  EXPECT_FALSE(feed.is_followed());
  {
    std::vector<std::unique_ptr<Feed::Follower>> followers;
    for (std::size_t i = 0; i < Feed::followers_max; ++i) {
      followers.push_back(feed.follow(core, everything));
      ASSERT_NE(followers.back(), nullptr);
    }
    EXPECT_EQ(feed.follow(core, everything), nullptr);
    EXPECT_EQ(feed.follower_count(), Feed::followers_max);
  }
  EXPECT_FALSE(feed.is_followed());
}

TEST(Feed, NoUserHasAllThePlaces) {
  exec::Core core(0, system_clock());
  Feed feed;
  constexpr std::uint64_t bob = 7;
  std::vector<std::unique_ptr<Feed::Follower>> followers;
  for (std::size_t i = 0; i < Feed::followers_of_one_max; ++i) {
    followers.push_back(feed.follow(core, everything, bob));
    ASSERT_NE(followers.back(), nullptr);
  }
  EXPECT_EQ(feed.follow(core, everything, bob), nullptr);
  EXPECT_NE(feed.follow(core, everything, bob + 1), nullptr);
  followers.pop_back();
  EXPECT_NE(feed.follow(core, everything, bob), nullptr);
}

TEST(Feed, AFewUsersTogetherDoNotHaveAllThePlacesEither) {
  exec::Core core(0, system_clock());
  Feed feed;
  constexpr std::uint64_t greedy_count = 20;
  std::vector<std::unique_ptr<Feed::Follower>> followers;
  for (std::uint64_t user = 1; user <= greedy_count; ++user) {
    while (auto follower = feed.follow(core, everything, user)) followers.push_back(std::move(follower));
  }
  EXPECT_LT(followers.size(), Feed::followers_max);
  EXPECT_NE(feed.follow(core, everything, greedy_count + 1), nullptr);
  EXPECT_NE(feed.follow(core, everything), nullptr) << "an administrator";
}

}  // namespace
}  // namespace canopy::api
