#include "store/records.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "store/record_ring.h"

namespace canopy::store {
namespace {

Record record(std::uint64_t id, std::int64_t queued = 0, std::string log = {}) {
  Record made;
  made.id = {.high = 7, .low = id};
  made.function = {.space = "demo", .name = "hello"};
  made.state = State::completed;
  made.queued = WallTime(Duration(queued == 0 ? static_cast<std::int64_t>(id) : queued));
  made.log = std::move(log);
  made.log.shrink_to_fit();
  return made;
}

CallId id(std::uint64_t low) { return {.high = 7, .low = low}; }

std::vector<std::uint64_t> ids(const std::vector<Record>& records) {
  std::vector<std::uint64_t> all;
  all.reserve(records.size());
  for (const Record& one : records) all.push_back(one.id.low);
  return all;
}

TEST(Records, FindsACallById) {
  Records records({});
  Record added = record(1, 5, "said this");
  added.error = Error{.code = Code::died, .message = "trapped"};
  records.add(0, added);
  const auto found = records.find(id(1));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->log, "said this");
  EXPECT_EQ(found->error->message, "trapped");
  EXPECT_EQ(found->queued, added.queued);
  EXPECT_FALSE(records.find(id(2)));
  EXPECT_EQ(records.size(), 1);
}

TEST(Records, FindsACallOfEachShard) {
  Records records({.shard_count = 4});
  for (std::uint64_t i = 1; i <= 100; ++i) records.add(i, record(i));  // Beyond the count: modulo.
  for (std::uint64_t i = 1; i <= 100; ++i) EXPECT_TRUE(records.find(id(i))) << i;
  EXPECT_EQ(records.size(), 100);
}

TEST(Records, TheOldestGoFirstPastTheCount) {
  Records records({.shard_count = 2, .count_max = 20});
  for (std::uint64_t i = 1; i <= 500; ++i) records.add(0, record(i));
  EXPECT_EQ(records.size(), 10);  // A shard has its part.
  EXPECT_FALSE(records.find(id(490)));
  for (std::uint64_t i = 491; i <= 500; ++i) EXPECT_TRUE(records.find(id(i))) << i;
  EXPECT_EQ(ids(records.list({})),
            (std::vector<std::uint64_t>{500, 499, 498, 497, 496, 495, 494, 493, 492, 491}));
}

TEST(Records, TheOldestGoFirstPastTheBytes) {
  Records records({.count_max = 1000, .bytes_max = 10'000});
  for (std::uint64_t i = 1; i <= 50; ++i) records.add(0, record(i, 0, std::string(1000, 'x')));
  EXPECT_LE(records.size(), 10);
  EXPECT_GE(records.size(), 9);
  EXPECT_TRUE(records.find(id(50)));
  EXPECT_FALSE(records.find(id(1)));
  records.add(0, record(51, 0, std::string(9'000, 'x')));
  EXPECT_LE(records.size(), 2);
  EXPECT_EQ(records.find(id(51))->log.size(), 9'000);
}

TEST(Records, AnErrorCountsAsBytesToo) {
  Records records({.count_max = 1000, .bytes_max = 10'000});
  for (std::uint64_t i = 1; i <= 50; ++i) {
    Record failed = record(i);
    failed.error = Error{.code = Code::died, .message = std::string(1000, 'x')};
    records.add(0, failed);
  }
  EXPECT_LE(records.size(), 10);
}

TEST(Records, ALogTooLargeForAllIsCutAndCounted) {
  Records records({.count_max = 10, .bytes_max = 1000});
  records.add(0, record(1, 0, std::string(10, 'a')));
  Record large = record(2, 0, std::string(5000, 'x'));
  large.error = Error{.code = Code::died, .message = std::string(100, 'e')};
  large.log_dropped_bytes = 7;
  records.add(0, large);
  const auto found = records.find(id(2));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->log.size(), 900);
  EXPECT_EQ(found->error->message.size(), 100);
  EXPECT_EQ(found->log_dropped_bytes, 4107);
}

TEST(Records, BoundsOfNothingKeepOne) {
  Records records({.shard_count = 0, .count_max = 0, .bytes_max = 0});
  records.add(3, record(1));
  records.add(3, record(2, 0, "text that does not fit at all"));
  EXPECT_EQ(records.size(), 1);
  EXPECT_EQ(records.find(id(2))->log, "");
}

TEST(Records, TheSameIdReplaces) {
  Records records({.count_max = 4});
  for (std::uint64_t i = 1; i <= 3; ++i) records.add(0, record(i));
  Record ended = record(1);
  ended.state = State::failed;
  records.add(0, ended);
  EXPECT_EQ(records.size(), 3);
  EXPECT_EQ(records.find(id(1))->state, State::failed);
  EXPECT_EQ(ids(records.list({})), (std::vector<std::uint64_t>{3, 2, 1}));
}

TEST(Records, ListsTheNewestFirstAcrossShards) {
  Records records({.shard_count = 3});
  for (std::uint64_t i = 1; i <= 300; ++i) records.add(i * i, record(i));
  EXPECT_EQ(ids(records.list({.limit = 3})), (std::vector<std::uint64_t>{300, 299, 298}));
  EXPECT_EQ(records.list({}).size(), 100);
  EXPECT_TRUE(records.list({.limit = 0}).empty());
}

TEST(Records, ListsByQueueingEvenIfTheyEndedInAnotherOrder) {
  Records records({.shard_count = 2});
  // A long call, queued first, is added last.
  for (const std::uint64_t i : {5U, 2U, 9U, 3U, 8U, 1U, 7U, 4U, 6U}) records.add(i, record(i));
  EXPECT_EQ(ids(records.list({.limit = 4})), (std::vector<std::uint64_t>{9, 8, 7, 6}));
}

TEST(Records, ListFilters) {
  Records records({.shard_count = 2});
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    Record one = record(i);
    if (i % 100 == 0) one.function.name = "rare";
    if (i % 250 == 0) one.state = State::failed;
    records.add(i, one);
  }
  const FunctionName rare{.space = "demo", .name = "rare"};
  EXPECT_EQ(ids(records.list({.function = rare, .limit = 3})), (std::vector<std::uint64_t>{1000, 900, 800}));
  EXPECT_EQ(ids(records.list({.state = State::failed})), (std::vector<std::uint64_t>{1000, 750, 500, 250}));
  EXPECT_EQ(ids(records.list({.function = rare, .state = State::failed})),
            (std::vector<std::uint64_t>{1000, 500}));
  EXPECT_EQ(ids(records.list({.since = WallTime(Duration(998))})),
            (std::vector<std::uint64_t>{1000, 999, 998}));
  EXPECT_TRUE(records.list({.function = FunctionName{"demo", "none"}}).empty());
}

TEST(Records, PagesSkipAndRepeatNothing) {
  Records records({.shard_count = 3});
  std::mt19937 random(1);
  for (std::uint64_t i = 1; i <= 777; ++i)
    records.add(random(), record(i, static_cast<std::int64_t>(1 + random() % 50)));  // Many at one time.
  std::vector<std::uint64_t> all;
  RecordFilter filter{.limit = 10};
  std::optional<Record> last;
  for (;;) {
    const auto page = records.list(filter);
    for (const Record& one : page) {
      if (last) EXPECT_GE(last->queued, one.queued);
      last = one;
      all.push_back(one.id.low);
    }
    if (page.size() < 10) break;
    filter.after = page.back().id;
    records.add(0, record(1000 + all.size(), 1000));  // Newer than the page: it moves nothing.
  }
  std::ranges::sort(all);
  ASSERT_EQ(all.size(), 777);
  for (std::uint64_t i = 1; i <= 777; ++i) EXPECT_EQ(all[i - 1], i);
}

TEST(Records, APageAfterOneThatIsGoneIsEmpty) {
  Records records({.count_max = 5});
  for (std::uint64_t i = 1; i <= 10; ++i) records.add(0, record(i));
  EXPECT_TRUE(records.list({.after = id(2)}).empty());
  EXPECT_EQ(ids(records.list({.after = id(8)})), (std::vector<std::uint64_t>{7, 6}));
}

TEST(Records, APageHasItsLimit) {
  Records records({});
  for (std::uint64_t i = 1; i <= 1500; ++i) records.add(0, record(i));
  EXPECT_EQ(records.list({.limit = 100'000}).size(), record_limit_max);
}

TEST(Records, ManyThreadsAtOnce) {
  Records records({.shard_count = 2, .count_max = 2000, .bytes_max = 100'000});
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  {
    std::jthread reader([&] {
      while (!done) {
        const auto page = records.list({.limit = 50});
        for (std::size_t i = 1; i < page.size(); ++i) {
          if (page[i - 1].queued < page[i].queued) ++wrong;
        }
        if (records.size() > 2000) ++wrong;
      }
    });
    const auto add = [&records](std::size_t shard) {
      for (std::uint64_t i = 1; i <= 5000; ++i)
        records.add(shard, record(i * 2 + shard, 0, std::string(i % 90, 'x')));
    };
    {
      std::jthread first(add, 0);
      std::jthread second(add, 1);
    }
    done = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(records.find(id(10'000)));
  EXPECT_TRUE(records.find(id(10'001)));
}

// Against the simplest thing that could be right, with so few ids that each comes again and again.
TEST(RecordRing, ActsAsAListWould) {
  constexpr std::size_t count_max = 37;
  std::mt19937 random(4);
  RecordRing ring(count_max, 600);
  std::vector<Record> model;
  std::uint64_t added = 0;
  for (int step = 0; step < 1500; ++step) {
    Record one = record(random() % 60 * 128, static_cast<std::int64_t>(1 + random() % 1000),
                        std::string(16 + random() % 30, 'x'));
    ring.add(one);
    ++added;
    std::erase_if(model, [&one](const Record& old) { return old.id == one.id; });
    model.push_back(one);
    EXPECT_EQ(ring.end(), added);
    EXPECT_LE(ring.bytes(), 600);
    EXPECT_LE(ring.size(), count_max);
    while (model.size() > ring.size()) model.erase(model.begin());
    for (const Record& kept : model) {
      const auto number = ring.find(kept.id);
      ASSERT_TRUE(number) << step;
      ASSERT_EQ(ring.at(*number)->queued, kept.queued);
      ASSERT_GE(ring.newest_up_to(*number), kept.queued);
    }
    for (std::uint64_t low = 0; low < 60; ++low) {
      const bool expected =
          std::ranges::any_of(model, [&](const Record& kept) { return kept.id == id(low * 128); });
      ASSERT_EQ(ring.find(id(low * 128)).has_value(), expected) << step;
    }
  }
}

}  // namespace
}  // namespace canopy::store
