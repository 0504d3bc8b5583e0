#include "builders/mirror.h"

#include <future>
#include <map>

#include <gtest/gtest.h>

#include "store/redis_fixture.h"

namespace canopy::builders {
namespace {

using std::chrono::hours;
using store::RedisServer;

constexpr CallId task{0x1234'5678'9abc'def0, 0x0fed'cba9'8765'4321};
const std::string task_key = "task:" + to_text(task_uuid(task));

Mirror::FindEnd ends_with(std::string status, std::string result) {
  return [=](CallId) { return Mirror::End{.status = status, .result = result}; };
}

std::map<std::string, std::string> hash(RedisServer& redis, const std::string& key) {
  const store::RedisReply reply = redis.run({"HGETALL", key});
  std::map<std::string, std::string> fields;
  for (std::size_t i = 0; i + 1 < reply.list.size(); i += 2) fields[reply.at(i).text] = reply.at(i + 1).text;
  return fields;
}

// As `codecs.encode(dill.dumps({"task_id": …}), "base64")` writes it.
TEST(Mirror, TellsOfATaskAsDillWouldWriteIt) {
  EXPECT_EQ(task_message({.high = 0x0000'0000'0000'4000, .low = 0x8000'0000'0000'0002}),
            "gASVNQAAAAAAAAB9lIwHdGFza19pZJSMJDAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAw\n"
            "MDAwMpRzLg==\n");
}

TEST(Mirror, HasATaskFromItsBeginningToItsEnd) {
  RedisServer& redis = store::shared_redis();
  Mirror mirror(redis.fresh(), hours(1), ends_with("COMPLETED", "r"), system_clock(), {});
  mirror.add_function({.high = 1, .low = 2}, "double", "code");
  mirror.add_task(task, {.high = 1, .low = 2}, "arguments");
  EXPECT_TRUE(store::comes_true([&] { return hash(redis, task_key).size() == 4; }));
  const std::string function = "00000000-0000-0001-0000-000000000002";
  EXPECT_EQ(hash(redis, "function:" + function),
            (std::map<std::string, std::string>{{"name", "double"}, {"payload", "code"}}));
  std::map<std::string, std::string> expected{
      {"function_id", function}, {"param_payload", "arguments"}, {"status", "QUEUED"}, {"result", ""}};
  EXPECT_EQ(hash(redis, task_key), expected);
  mirror.begun(task);
  EXPECT_TRUE(store::comes_true([&] { return hash(redis, task_key)["status"] == "RUNNING"; }));
  mirror.ended(task);
  mirror.stop();
  expected["status"] = "COMPLETED";
  expected["result"] = "r";
  EXPECT_EQ(hash(redis, task_key), expected);
  for (const std::string& key : {task_key, "function:" + function}) {
    const std::int64_t kept = redis.run({"TTL", key}).number;
    EXPECT_TRUE(kept > 0 && kept <= 3600) << kept;
  }
  EXPECT_EQ(mirror.dropped_count(), 0U);
}

TEST(Mirror, AnEndStaysWhateverComesAfterIt) {
  RedisServer& redis = store::shared_redis();
  Mirror mirror(redis.fresh(), hours(1), ends_with("FAILED", "why"), system_clock(), {});
  mirror.ended(task);  // It was quicker than the answer that says its id.
  EXPECT_TRUE(store::comes_true([&] { return hash(redis, task_key)["status"] == "FAILED"; }));
  mirror.add_task(task, {.high = 1, .low = 2}, "arguments");
  mirror.stop();
  EXPECT_EQ(hash(redis, task_key)["status"], "FAILED");
  EXPECT_EQ(hash(redis, task_key)["result"], "why");
  EXPECT_EQ(hash(redis, task_key)["param_payload"], "arguments");
}

TEST(Mirror, ATaskThatIsNotThereHasNoEnd) {
  RedisServer& redis = store::shared_redis();
  Mirror mirror(redis.fresh(), hours(1), [](CallId) { return std::optional<Mirror::End>(); }, system_clock(),
                {});
  mirror.ended(task);
  mirror.stop();
  EXPECT_TRUE(hash(redis, task_key).empty());
  EXPECT_EQ(mirror.dropped_count(), 0U);
}

TEST(Mirror, WhatRedisRefusesIsDroppedAndTheRestGoesOn) {
  RedisServer& redis = store::shared_redis();
  Mirror mirror(redis.fresh(), hours(1), ends_with("COMPLETED", "r"), system_clock(), {});
  redis.run({"SET", task_key, "somebody's own"});
  mirror.ended(task);
  EXPECT_TRUE(store::comes_true([&] { return mirror.dropped_count() == 1; }));
  EXPECT_EQ(redis.run({"GET", task_key}).text, "somebody's own");
  mirror.add_function({.high = 1, .low = 2}, "double", "code");
  mirror.stop();
  EXPECT_EQ(hash(redis, "function:00000000-0000-0001-0000-000000000002")["name"], "double");
}

TEST(Mirror, OfWhatIsWrittenTogetherOnlyWhatIsRefusedIsDropped) {
  RedisServer& redis = store::shared_redis();
  constexpr CallId first{1, 2};
  constexpr CallId unreadable{1, 3};
  std::promise<void> rest_waits;
  const Mirror::FindEnd find_end = [&](CallId call) -> Result<std::optional<Mirror::End>> {
    if (call == first) rest_waits.get_future().wait();
    if (call == unreadable) return fail(Code::internal, "its record cannot be read");
    return Mirror::End{.status = "COMPLETED", .result = "r"};
  };
  Mirror mirror(redis.fresh(), hours(1), find_end, system_clock(), {});
  redis.run({"SET", task_key, "somebody's own"});
  mirror.ended(first);  // By itself, as the thread stands there until the others wait.
  mirror.add_function({.high = 1, .low = 1}, "one", "code");
  mirror.ended(task);
  mirror.ended(unreadable);
  mirror.add_function({.high = 1, .low = 2}, "two", "code");
  rest_waits.set_value();
  mirror.stop();
  EXPECT_EQ(mirror.dropped_count(), 2U);
  EXPECT_EQ(hash(redis, "function:00000000-0000-0001-0000-000000000001")["name"], "one");
  EXPECT_EQ(hash(redis, "function:00000000-0000-0001-0000-000000000002")["name"], "two");
  EXPECT_EQ(hash(redis, "task:" + to_text(task_uuid(first)))["status"], "COMPLETED");
  EXPECT_EQ(redis.run({"GET", task_key}).text, "somebody's own");
}

TEST(Mirror, WhatWaitsHasAnEndAndIsWrittenWhenRedisIsBack) {
  RedisServer redis;
  Mirror mirror(redis.address(), hours(1), ends_with("COMPLETED", "r"), system_clock(),
                {.count_max = 10, .bytes_max = MiB});
  redis.kill();
  const auto add = [&mirror](std::uint64_t low, std::size_t bytes) {
    mirror.add_function({.high = 1, .low = low}, "f", std::string(bytes, 'x'));
  };
  add(1, 10);
  add(2, 2 * MiB);  // It alone is too large.
  EXPECT_EQ(mirror.dropped_count(), 1U);
  for (std::uint64_t low = 3; low < 40; ++low) add(low, 10);
  EXPECT_GE(mirror.dropped_count(), 20U);  // The thread may have taken some of them before.
  redis.start();
  EXPECT_TRUE(store::comes_true(
      [&] { return !hash(redis, "function:00000000-0000-0001-0000-000000000001").empty(); }));
}

TEST(Mirror, EndsThoughNobodyAnswers) {
  store::RedisAddress nowhere;
  nowhere.port = 1;
  Mirror mirror(nowhere, hours(1), ends_with("COMPLETED", "r"), system_clock(), {});
  for (std::uint64_t low = 0; low < 1000; ++low) mirror.add_function({.high = 1, .low = low}, "f", "x");
  mirror.stop();
  EXPECT_EQ(mirror.dropped_count(), 1000U);
  mirror.add_function({.high = 1, .low = 1}, "f", "x");
  EXPECT_EQ(mirror.dropped_count(), 1000U);
}

}  // namespace
}  // namespace canopy::builders
