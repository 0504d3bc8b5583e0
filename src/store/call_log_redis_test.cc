// What a log in Redis promises beside call_log_contract_test.cc: several servers share it, any of them may
// die, and so may Redis.

#include <atomic>
#include <limits>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "store/call_log_fixture.h"
#include "store/call_log_redis_words.h"
#include "store/redis_fixture.h"

namespace canopy::store {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

std::unique_ptr<CallLog> open_log(const RedisAddress& address, const Clock& clock,
                                  const CallLogOptions& options = {}) {
  auto log = open_redis_call_log(address, options, clock);
  EXPECT_TRUE(log) << log.error().message;
  return *std::move(log);
}

class TwoServers : public testing::Test {
 protected:
  FakeClock clock;
  const RedisAddress address = shared_redis().fresh();
  std::unique_ptr<CallLog> first = open_log(address, clock);
  std::unique_ptr<CallLog> second = open_log(address, clock);
};

TEST_F(TwoServers, WhatOneTakesTheOtherFindsRunsAndEnds) {
  const CallId id = append(*first, call_of("demo/hello"))->id;
  EXPECT_TRUE(second->owns(id));
  EXPECT_EQ(second->restore(shorten(id)), id);
  EXPECT_EQ(second->find(id)->record.state, State::queued);
  const auto leased = lease_one(*second);
  ASSERT_TRUE(leased);
  EXPECT_EQ(leased->call->id, id);
  EXPECT_FALSE(lease_one(*first));
  EXPECT_EQ(first->find(id)->record.state, State::running);
  EXPECT_EQ(complete(*first, leased->lease(), good_outcome(clock)).error().code, Code::conflict)
      << "it does not run there";
  ASSERT_TRUE(complete(*second, leased->lease(), good_outcome(clock, "of the second")));
  EXPECT_EQ(first->result(id)->output, "of the second");
  EXPECT_EQ(first->log(id)->text, "a line\n");
  EXPECT_EQ(first->list({})->records.size(), 1U);
}

TEST_F(TwoServers, OneKeyAtBothAtOnceIsOneCall) {
  constexpr int key_count = 50;
  constexpr int thread_count = 4;
  std::vector<std::set<CallId>> ids(key_count);
  std::atomic<int> fresh_count = 0;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < thread_count; ++thread) {
    threads.emplace_back([&, thread] {
      CallLog& log = thread % 2 == 0 ? *first : *second;
      for (int key = 0; key < key_count; ++key) {
        DurableCall call = call_of("demo/hello");
        call.idempotency_key = "order-" + std::to_string(key);
        const auto accepted = append(log, call);
        ASSERT_TRUE(accepted) << accepted.error().message;
        fresh_count += !accepted->existed;
        const std::lock_guard lock(mutex);
        ids[static_cast<std::size_t>(key)].insert(accepted->id);
      }
    });
  }
  threads.clear();
  for (const auto& of_key : ids) EXPECT_EQ(of_key.size(), 1U);
  EXPECT_EQ(fresh_count, key_count);
  EXPECT_EQ(lease(*first, 1000).size(), static_cast<std::size_t>(key_count));
}

TEST_F(TwoServers, NoCallIsLeasedTwice) {
  constexpr int call_count = 400;
  for (int i = 0; i < call_count; ++i) ASSERT_TRUE(append(*first, call_of("demo/f" + std::to_string(i % 5))));
  std::atomic<int> leased_count = 0;
  std::mutex mutex;
  std::set<CallId> seen;
  std::vector<std::jthread> threads;
  for (CallLog* const log : {first.get(), second.get(), first.get(), second.get()}) {
    threads.emplace_back([&, log] {
      for (auto leased = lease(*log, 7); !leased.empty(); leased = lease(*log, 7)) {
        leased_count += static_cast<int>(leased.size());
        for (const LeasedCall& call : leased) {
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(seen.insert(call.call->id).second) << "leased twice";
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(leased_count, call_count);
}

TEST_F(TwoServers, AFunctionRunsNoMoreThanItMayOverBoth) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(*first, call_of("demo/narrow")));
  const LeaseRequest request{
      .count_max = 10, .until = never, .concurrency = [](const FunctionName&) { return 3U; }};
  EXPECT_EQ(first->lease(request).size() + second->lease(request).size(), 3U);
}

TEST_F(TwoServers, AServerThatDiesGivesItsCallsBack) {
  const CallId id = append(*first, call_of("demo/hello"))->id;
  ASSERT_TRUE(lease_one(*first, clock.now() + seconds(30)));
  first.reset();
  EXPECT_FALSE(lease_one(*second));
  clock.advance(seconds(31));
  second->sweep();
  std::optional<LeasedCall> again;
  ASSERT_TRUE(comes_true([&] { return (again = lease_one(*second)).has_value(); }));
  EXPECT_EQ(again->call->id, id);
  EXPECT_EQ(again->attempt, 2U);
  EXPECT_EQ(second->stats().lost, 1U);
  ASSERT_TRUE(complete(*second, again->lease(), good_outcome(clock)));
}

TEST_F(TwoServers, ARenewedLeaseHoldsForTheOtherToo) {
  const CallId id = append(*first, call_of("demo/hello"))->id;
  const auto leased = lease_one(*first, clock.now() + seconds(30));
  clock.advance(seconds(20));
  ASSERT_TRUE(first->renew(leased->lease(), clock.now() + seconds(30)));
  ASSERT_TRUE(append(*first, call_of("demo/other")));  // The renewal is written with it.
  clock.advance(seconds(20));
  second->sweep();
  EXPECT_EQ(second->find(id)->record.state, State::running);
  EXPECT_TRUE(complete(*first, leased->lease(), good_outcome(clock)));
}

struct Heard final : CallLogListener {
  void on_ready() override { ++ready; }
  void on_callback() override { ++callbacks; }
  void on_ended(CallId id, const FunctionName&, State state,
                const std::function<DurableRecord()>& make) override {
    EXPECT_EQ(make().record.state, state);
    EXPECT_EQ(make().record.id, id);
    ended_low = id.low;
    ++ends;
  }
  std::atomic<int> ready = 0;
  std::atomic<int> callbacks = 0;
  std::atomic<int> ends = 0;
  std::atomic<std::uint64_t> ended_low = 0;
};

TEST_F(TwoServers, EachHearsOfTheOther) {
  Heard heard;
  second->listen(heard);
  DurableCall call = call_of("demo/hello");
  call.callback_url = "http://example.org/";
  const CallId id = append(*first, call)->id;
  EXPECT_TRUE(comes_true([&] { return heard.ready == 1; }));
  ASSERT_TRUE(complete(*first, lease_one(*first)->lease(), good_outcome(clock)));
  EXPECT_TRUE(comes_true([&] { return heard.ends == 1; }));
  EXPECT_EQ(heard.ended_low, id.low);
  EXPECT_TRUE(comes_true([&] { return heard.callbacks == 1; }));
  EXPECT_EQ(second->lease_callbacks(10, WallTime::max()).size(), 1U);
  EXPECT_TRUE(first->lease_callbacks(10, WallTime::max()).empty()) << "the other has it";
  second->stop();
}

TEST_F(TwoServers, ACallThatRunsAtTheOtherCanBeCancelled) {
  Heard heard;
  second->listen(heard);
  const CallId id = append(*first, call_of("demo/hello"))->id;
  const auto leased = lease_one(*second);
  ASSERT_TRUE(leased);
  EXPECT_TRUE(cancel(*first, id)->was_running);
  EXPECT_TRUE(comes_true([&] { return heard.ends == 1; }));
  EXPECT_FALSE(second->renew(leased->lease(), never));
  EXPECT_EQ(complete(*second, leased->lease(), good_outcome(clock)).error().code, Code::conflict);
  second->stop();
}

TEST_F(TwoServers, WhatIsDamagedInRedisIsNeitherServedNorRun) {
  const CallId id = append(*first, call_of("demo/hello"))->id;
  const CallId good = append(*first, call_of("demo/hello"))->id;
  shared_redis().run({"HSET", "canopy:c:1", "h", "no row"});
  EXPECT_EQ(first->find(id).error().code, Code::internal);
  EXPECT_EQ(cancel(*first, id).error().code, Code::internal);
  const auto leased = lease(*second, 10);
  ASSERT_EQ(leased.size(), 1U);
  EXPECT_EQ(leased[0].call->id, good);
  shared_redis().run({"HSET", "canopy:c:2", "i", "another input"});
  ASSERT_TRUE(second->release(leased[0].lease(), {}));
  EXPECT_TRUE(lease(*second, 10).empty()) << "its input is not what was kept";
  EXPECT_EQ(second->stats().damaged, 2U);
}

TEST_F(TwoServers, ARowThatIsNoneStopsNoOther) {
  DurableCall call = call_of("demo/hello");
  call.idempotency_key = "once";
  const CallId odd = append(*first, call)->id;
  const CallId good = append(*first, call_of("demo/hello"))->id;
  const CallId waits = append(*first, call_of("demo/hello"))->id;
  shared_redis().run({"DEL", "canopy:c:1"});
  shared_redis().run({"SET", "canopy:c:1", "a text"});
  EXPECT_FALSE(first->find(odd)) << "for itself alone";
  const auto page = first->list({});
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->records.size(), 2U);
  EXPECT_GE(first->stats().damaged, 1U);
  const auto leased = lease(*second, 10);
  ASSERT_EQ(leased.size(), 2U);
  EXPECT_EQ(leased[0].call->id, good);
  ASSERT_TRUE(complete(*second, leased[0].lease(), good_outcome(clock)));
  // Numbers that are none: the row goes on, and so do the others.
  for (const char* const field : {"q", "v", "a"}) shared_redis().run({"HSET", "canopy:c:3", field, "x"});
  clock.advance(minutes(10));
  first->sweep();
  EXPECT_TRUE(first->find(waits));
  EXPECT_TRUE(append(*first, call)) << "the key names a call that is none any more";
  clock.advance(std::chrono::hours(24 * 30));
  EXPECT_TRUE(first->purge(100));
}

TEST(CallLogRedis, TimesThatAreNoneAreTheNearestThatAre) {
  EXPECT_EQ(read_micros("1000"), WallTime(std::chrono::milliseconds(1)));
  for (const char* const end : {"", "+inf", "9223372036854775807", "99999999999999999999"}) {
    EXPECT_EQ(read_micros(end), WallTime::max()) << end;
  }
  EXPECT_EQ(read_micros("-9223372036854775808"), WallTime());
  EXPECT_EQ(read_nanos(-1), WallTime());
  EXPECT_EQ(read_nanos(7), WallTime(Duration(7)));
  EXPECT_LT(read_nanos(std::numeric_limits<std::int64_t>::max()), WallTime::max());
}

TEST(CallLogRedis, RefusesAServerThatForgets) {
  FakeClock clock;
  RedisServer server("everysec", {"--appendonly", "no"});
  const auto log = open_redis_call_log(server.address(), {}, clock);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Code::refused);
  EXPECT_NE(log.error().message.find("--appendonly yes"), std::string::npos) << log.error().message;
}

TEST(CallLogRedis, RefusesAServerThatThrowsThingsAway) {
  FakeClock clock;
  RedisServer server("everysec", {"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
  const auto log = open_redis_call_log(server.address(), {}, clock);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Code::refused);
}

TEST(CallLogRedis, WhatOpensNoLogIsNoFaultOfWhoAsksOneThatIsOpen) {
  FakeClock clock;
  RedisServer server;
  const auto log = open_redis_call_log(server.address(), {}, clock);
  ASSERT_TRUE(log) << log.error().message;
  server.run({"HSET", "canopy:state", "format", "99"});
  const auto found = (*log)->find({});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::unavailable) << found.error().message;
  EXPECT_NE(found.error().message.find("another format"), std::string::npos) << found.error().message;
}

// Nothing of format 1 is rewritten, but an older server does not open it any more.
TEST(CallLogRedis, CallsOfTheFormatBeforeBecomeOnesOfToday) {
  FakeClock clock;
  RedisServer server;
  CallId id;
  {
    const auto log = open_redis_call_log(server.address(), {}, clock);
    ASSERT_TRUE(log) << log.error().message;
    id = append(**log, call_of("demo/hello"))->id;
  }
  server.run({"HSET", "canopy:state", "format", "1"});
  const auto log = open_redis_call_log(server.address(), {}, clock);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ((*log)->find(id)->record.state, State::queued);
  EXPECT_EQ(server.run({"HGET", "canopy:state", "format"}).text, "2");
}

TEST(CallLogRedis, NeedsItsPassword) {
  FakeClock clock;
  RedisServer server;
  server.run({"CONFIG", "SET", "requirepass", "the word"});
  RedisAddress address = server.address();
  EXPECT_EQ(open_redis_call_log(address, {}, clock).error().code, Code::unavailable);
  address.password = "another";
  EXPECT_EQ(open_redis_call_log(address, {}, clock).error().code, Code::unavailable);
  address.password = "the word";
  EXPECT_TRUE(open_redis_call_log(address, {}, clock));
}

TEST(CallLogRedis, NobodyThereIsUnavailable) {
  FakeClock clock;
  RedisServer server;
  server.kill();
  const auto log = open_redis_call_log(server.address(), {}, clock);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Code::unavailable);
}

// Whatever Redis dies under, what was acknowledged is there.
TEST(CallLogRedis, LosesNothingThatItAcknowledgedWhenRedisIsKilledAgainAndAgain) {
  RedisServer server("always");
  auto log = open_log(server.address(), system_clock());
  std::mutex mutex;
  std::set<CallId> accepted;
  std::set<CallId> ended;
  std::atomic<bool> over = false;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      while (!over) {
        const auto taken = append(*log, call_of("demo/hello"));
        if (taken) {
          const std::lock_guard lock(mutex);
          accepted.insert(taken->id);
        } else {
          EXPECT_EQ(taken.error().code, Code::unavailable) << taken.error().message;
          std::this_thread::yield();
        }
      }
    });
  }
  threads.emplace_back([&] {
    while (!over) {
      for (const LeasedCall& call : lease(*log, 16, system_clock().now() + minutes(5))) {
        if (!complete(*log, call.lease(), good_outcome(system_clock()))) continue;
        const std::lock_guard lock(mutex);
        ended.insert(call.call->id);
      }
    }
  });
  for (int time = 0; time < 3; ++time) {
    std::size_t before = 0;
    {
      const std::lock_guard lock(mutex);
      before = accepted.size();
    }
    EXPECT_TRUE(comes_true([&] {
      const std::lock_guard lock(mutex);
      return accepted.size() > before + 100;
    })) << "it does not come back";
    server.kill();
    ASSERT_FALSE(append(*log, call_of("demo/hello")));
    server.start();
  }
  over = true;
  threads.clear();
  std::size_t done = 0;
  for (const CallId id : accepted) {
    ASSERT_TRUE(comes_true([&] {
      const auto found = log->find(id);
      return found || found.error().code != Code::unavailable;
    }));
    const auto found = log->find(id);
    ASSERT_TRUE(found) << "acknowledged and lost: " << found.error().message;
    done += found->record.state == State::completed;
  }
  for (const CallId id : ended) EXPECT_EQ(log->find(id)->record.state, State::completed) << to_text(id);
  EXPECT_GE(done, ended.size());
  EXPECT_EQ(log->stats().lost_batches, 0U);
}

TEST(CallLogRedis, AnEndWaitsForRedisToComeBack) {
  RedisServer server("always");
  FakeClock clock;
  auto log = open_log(server.address(), clock);
  const CallId id = append(*log, call_of("demo/hello"))->id;
  const auto leased = lease_one(*log, clock.now() + seconds(30));
  ASSERT_TRUE(leased);
  server.kill();
  std::atomic<bool> answered = false;
  std::atomic<bool> recorded = false;
  log->complete(leased->lease(), good_outcome(clock, "kept"), [&](const Result<void>& result) {
    recorded = result.has_value();
    answered = true;
  });
  EXPECT_EQ(append(*log, call_of("demo/hello")).error().code, Code::unavailable);
  EXPECT_TRUE(log->stats().failing);
  EXPECT_FALSE(answered);
  server.start();
  ASSERT_TRUE(comes_true([&] { return answered.load(); }));
  EXPECT_TRUE(recorded);
  EXPECT_EQ(log->result(id)->output, "kept");
  EXPECT_TRUE(append(*log, call_of("demo/hello")));
  EXPECT_FALSE(log->stats().failing);
}

TEST(CallLogRedis, AServerThatHangsIsLikeOneThatIsAway) {
  RedisServer server("always");
  FakeClock clock;
  auto log = open_log(server.address(), clock);
  ASSERT_TRUE(append(*log, call_of("demo/hello")));
  server.signal(SIGSTOP);
  EXPECT_EQ(append(*log, call_of("demo/hello")).error().code, Code::unavailable);
  server.signal(SIGCONT);
  EXPECT_TRUE(comes_true([&] { return append(*log, call_of("demo/hello")).has_value(); }));
}

TEST(CallLogRedis, AnotherStoreThanBeforeIsNotUsed) {
  RedisServer server;
  FakeClock clock;
  auto log = open_log(server.address(), clock);
  ASSERT_TRUE(append(*log, call_of("demo/hello")));
  server.run({"FLUSHALL"});
  server.kill();
  server.start();
  EXPECT_TRUE(comes_true([&] {
    const auto refused = append(*log, call_of("demo/hello"));
    return !refused && refused.error().message.find("holds no calls any more") != std::string::npos;
  }));
}

}  // namespace
}  // namespace canopy::store
