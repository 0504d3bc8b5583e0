// Every request of MUCPD's API with its exact answer: from a server whose functions are C++ lambdas. What
// real JavaScript answers is in tests/e2e/mucpd.py.

#include "mucpd/server.h"

#include <gtest/gtest.h>

#include "api/live_server.h"
#include "api/meter.h"
#include "mucpd/mucpd.h"
#include "mucpd/names.h"
#include "mucpd/runner.h"

namespace canopy::mucpd {
namespace {

using api::LiveServer;
using net::HttpClientResponse;

const std::string one = R"({"error":false,"res":1})";
const std::string nothing = R"({"error":false})";
const std::string no_alice = R"({"error":true,"res":"[ERR] User <alice> does not exist."})";

// What the runner would write: the function's name and its arguments as the result.
exec::FakeFunction fake_runner(bool waits) {
  const auto end = [](Call& call, Reply& reply) {
    const std::string name = name_of(*call.function);
    if (name == "dies") reply.error = Error{Code::died, "unreachable at main+0x12", Stage::run};
    if (name == "throws") {
      reply.output = "\"Error: boom\"\n{\"ok\":false,\"type\":\"object\",\"error\":{\"name\":\"Error\"}}";
    } else {
      reply.output =
          "\"ran " + name + "\"\n{\"ok\":true,\"type\":\"array\",\"value\":" + std::string(call.input) + "}";
    }
  };
  return {.begin = {}, .waits = waits, .end = end};
}

struct Mucpd : LiveServer {
  explicit Mucpd(const Change& change = {}, bool waits = false)
      : LiveServer(change, {.equip =
                                [](api::ServerParts& parts) {
                                  if (auto made = make_protocol(parts.options)) {
                                    parts.protocols.push_back(std::move(made));
                                  }
                                },
                            .add_functions =
                                [waits](exec::FakeRuntime& fake) {
                                  fake.add(std::string(runner_source()), fake_runner(waits));
                                }}) {}

  HttpClientResponse remove(std::string target, Headers headers = {}) const {
    return request("DELETE", std::move(target), {}, std::move(headers));
  }
  void add(const std::string& user, const std::string& function) const {
    EXPECT_EQ(post("/u/" + user).body, one);
    EXPECT_EQ(post("/u/" + user + "/fn/" + function, "(a, b) => a + b").body, one);
  }
  // The job's id.
  std::string run(const std::string& path, const std::string& arguments = "[4,7]") const {
    const auto response = post(path + "/run", arguments);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body.size(), nothing.size() + 33) << response.body;
    EXPECT_TRUE(response.body.starts_with(R"({"error":false,"res":")")) << response.body;
    return response.body.size() < 46 ? "" : response.body.substr(22, 24);
  }
  bool ends(const std::string& job) const {
    return api::eventually([&] { return get("/j/" + job).body == one; });
  }
};

TEST(Mucpd, UsersComeAndGo) {
  const Mucpd live;
  const auto added = live.post("/u/alice");
  EXPECT_EQ(added.status, 200);
  EXPECT_EQ(added.body, one);
  EXPECT_EQ(added.header("Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(live.get("/u/alice/fn").body, R"({"error":false,"res":{}})");
  EXPECT_EQ(live.get("/u/alice/time").body, R"({"error":false,"res":0})");
  EXPECT_EQ(live.remove("/u/alice").body, one);
  EXPECT_EQ(live.remove("/u/alice").body, one) << "also where there is none";
  EXPECT_EQ(live.get("/u/alice/fn").body, no_alice);
  EXPECT_EQ(live.get("/u/alice/time").body, no_alice);
}

TEST(Mucpd, FunctionsAreKeptAsTheyCome) {
  const Mucpd live;
  EXPECT_EQ(live.post("/u/alice/fn/add", "x").body, no_alice);
  EXPECT_EQ(live.get("/u/alice/fn/add").body, no_alice);
  EXPECT_EQ(live.remove("/u/alice/fn/add").body, no_alice);
  live.post("/u/alice");
  const std::string missing = R"({"error":true,"res":"[ERR] User function <add> does not exist."})";
  EXPECT_EQ(live.get("/u/alice/fn/add").body, missing);
  EXPECT_EQ(live.post("/u/alice/fn/add", "no JavaScript; at \"all\"\n").body, one);
  EXPECT_EQ(live.get("/u/alice/fn/add").body,
            R"({"error":false,"res":{"name":"add","src":"no JavaScript; at \"all\"\n","f_name":"add"}})");
  EXPECT_EQ(live.post("/u/alice/fn/add", "(a, b) => a + b", {{"Content-Type", "application/json"}}).body,
            one);
  EXPECT_EQ(live.post("/u/alice/fn/%24.b", "b").body, one);
  EXPECT_EQ(live.get("/u/alice/fn").body, R"({"error":false,"res":{"add":"(a, b) => a + b","$.b":"b"}})");
  EXPECT_EQ(live.remove("/u/alice/fn/add").body, one);
  EXPECT_EQ(live.remove("/u/alice/fn/add").body, one) << "also where there is none";
  EXPECT_EQ(live.get("/u/alice/fn").body, R"({"error":false,"res":{"$.b":"b"}})");
  EXPECT_EQ(live.get("/u/alice/fn/add").body, missing);
}

TEST(Mucpd, ASourceMayBeAnyText) {
  const Mucpd live;
  live.post("/u/alice");
  EXPECT_EQ(live.post("/u/alice/fn/f", std::string("a\0b\x01", 4)).body, one);
  EXPECT_EQ(live.get("/u/alice/fn/f").body,
            R"({"error":false,"res":{"name":"f","src":"a\u0000b\u0001","f_name":"f"}})");
  EXPECT_EQ(live.post("/u/alice/fn/f", "\xEF\xBB\xBF\xC3\xB1\xFF").body, one);
  EXPECT_EQ(live.get("/u/alice/fn/f").body,
            "{\"error\":false,\"res\":{\"name\":\"f\",\"src\":\"\xC3\xB1\xEF\xBF\xBD\",\"f_name\":\"f\"}}");
  EXPECT_EQ(live.post("/u/alice/fn/f", "").body, one);
}

TEST(Mucpd, RegisteringAgainWipes) {
  const Mucpd live;
  live.add("alice", "add");
  live.add("bob", "add");
  const std::string job = live.run("/u/alice/fn/add");
  ASSERT_TRUE(live.ends(job));
  EXPECT_NE(live.get("/u/alice/time").body, R"({"error":false,"res":0})");
  EXPECT_EQ(live.post("/u/alice").body, one);
  EXPECT_EQ(live.get("/u/alice/fn").body, R"({"error":false,"res":{}})");
  EXPECT_EQ(live.get("/u/alice/time").body, R"({"error":false,"res":0})");
  EXPECT_EQ(live.get("/u/bob/fn").body, R"({"error":false,"res":{"add":"(a, b) => a + b"}})");
}

TEST(Mucpd, AJobRunsAndKeepsItsResult) {
  const Mucpd live;
  live.add("alice", "add");
  const std::string job = live.run("/u/alice/fn/add");
  ASSERT_TRUE(live.ends(job));
  EXPECT_EQ(live.get("/j/" + job).body, one);
  EXPECT_EQ(live.get("/j/" + job + "/res").body, R"({"error":false,"res":"ran add"})");
  EXPECT_EQ(live.get("/j/" + job + "/typed").body,
            R"({"error":false,"res":{"ok":true,"type":"array","value":[4,7]}})");
}

TEST(Mucpd, AFailureIsAResultToo) {
  const Mucpd live;
  live.add("alice", "throws");
  live.post("/u/alice/fn/dies", "x");
  const std::string throws = live.run("/u/alice/fn/throws");
  const std::string dies = live.run("/u/alice/fn/dies");
  ASSERT_TRUE(live.ends(throws));
  ASSERT_TRUE(live.ends(dies));
  EXPECT_EQ(live.get("/j/" + throws + "/res").body, R"({"error":false,"res":"Error: boom"})");
  EXPECT_EQ(live.get("/j/" + throws + "/typed").body,
            R"({"error":false,"res":{"ok":false,"type":"object","error":{"name":"Error"}}})");
  EXPECT_EQ(live.get("/j/" + dies + "/res").body,
            R"({"error":false,"res":"Error: unreachable at main+0x12"})");
  EXPECT_EQ(live.get("/j/" + dies + "/typed").body,
            R"({"error":false,"res":{"ok":false,"type":"canopy","error":{"name":"died",)"
            R"("message":"Error: unreachable at main+0x12"}}})");
}

TEST(Mucpd, RunSaysWhatIsWrongInItsOrder) {
  const Mucpd live;
  EXPECT_EQ(live.post("/u/alice/fn/add/run", "[4,").body, no_alice);
  live.post("/u/alice");
  EXPECT_EQ(live.post("/u/alice/fn/add/run", "[4,").body,
            R"({"error":true,"res":"[ERR] User function <add> does not exist."})");
  live.post("/u/alice/fn/add", "x");
  EXPECT_EQ(live.post("/u/alice/fn/add/run", R"({"a":1})").body,
            R"({"error":true,"res":"[ERR] Invalid argv ({\"a\":1}) - not an array"})");
  EXPECT_EQ(live.post("/u/alice/fn/add/run", "[4,").body,
            R"({"error":true,"res":"[ERR] Invalid argv ([4,) - invalid JSON"})");
  EXPECT_EQ(live.post("/u/alice/fn/add/run", "[4,]").body,
            R"({"error":true,"res":"[ERR] Invalid argv ([4,]) - invalid JSON"})");
  EXPECT_EQ(live.post("/u/alice/fn/add/run", "7").body,
            R"({"error":true,"res":"[ERR] Invalid argv (7) - not an array"})");
}

TEST(Mucpd, AJobThatHasNotEndedHasNoResult) {
  const Mucpd live({}, true);
  live.add("alice", "add");
  const std::string job = live.run("/u/alice/fn/add");
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  EXPECT_EQ(live.get("/j/" + job).body, R"({"error":false,"res":0})") << "it runs";
  EXPECT_EQ(live.get("/j/" + job + "/res").body, nothing);
  EXPECT_EQ(live.get("/j/" + job + "/typed").body, nothing);
  live.js->release();
  EXPECT_TRUE(live.ends(job));
}

TEST(Mucpd, AJobThatIsNoneHasNoStatus) {
  const Mucpd live;
  const std::string invalid = R"-({"error":true,"res":"[ERR] Invalid job_id (zzz)"})-";
  EXPECT_EQ(live.get("/j/zzz").body, invalid);
  EXPECT_EQ(live.get("/j/zzz/res").body, invalid);
  EXPECT_EQ(live.get("/j/zzz/typed").body, invalid);
  EXPECT_EQ(live.remove("/j/zzz").body, invalid);
  for (const std::string job : {"5566778899aabbccddeeff00", "5566778899AABBCCDDEEFF00", "twelve_chars"}) {
    EXPECT_EQ(live.get("/j/" + job).body, nothing);
    EXPECT_EQ(live.get("/j/" + job + "/res").body, nothing);
    EXPECT_EQ(live.get("/j/" + job + "/typed").body, nothing);
    EXPECT_EQ(live.remove("/j/" + job).body, R"({"error":false,"res":0})");
  }
}

TEST(Mucpd, AJobCanBeRemovedWhereverItIs) {
  const Mucpd live({}, true);
  live.add("alice", "add");
  const std::string runs = live.run("/u/alice/fn/add");
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  EXPECT_EQ(live.remove("/j/" + runs).body, one);
  EXPECT_TRUE(api::eventually([&] { return live.js->waiting_count() == 0; })) << "it was ended";
  EXPECT_EQ(live.get("/j/" + runs).body, nothing);
  EXPECT_EQ(live.get("/j/" + runs + "/res").body, nothing);
  EXPECT_EQ(live.remove("/j/" + runs).body, R"({"error":false,"res":0})");

  const std::string ended = live.run("/u/alice/fn/add");
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  live.js->release();
  ASSERT_TRUE(live.ends(ended));
  EXPECT_EQ(live.remove("/j/" + ended).body, one);
  EXPECT_EQ(live.get("/j/" + ended).body, nothing);
  EXPECT_EQ(live.get("/j/" + ended + "/res").body, nothing);
  EXPECT_EQ(live.remove("/j/" + ended).body, R"({"error":false,"res":0})");
}

TEST(Mucpd, AJobWhoseFunctionIsGoneSaysSo) {
  const Mucpd live([](Options& options) { options.calls_running_max = 1; }, true);
  live.add("alice", "$add");
  live.run("/u/alice/fn/$add");
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  const std::string second = live.run("/u/alice/fn/$add");
  EXPECT_EQ(live.remove("/u/alice/fn/$add").body, one);
  live.js->release();
  ASSERT_TRUE(live.ends(second));
  EXPECT_EQ(live.get("/j/" + second + "/res").body,
            R"({"error":false,"res":"[ERR] User function <$add> does not exist."})");
}

TEST(Mucpd, ATimeIsTheMillisecondsOfTheCalls) {
  const Mucpd live;
  live.add("alice", "add");
  ASSERT_TRUE(live.ends(live.run("/u/alice/fn/add")));
  const std::string time = live.get("/u/alice/time").body;
  double milliseconds = 0;
  ASSERT_EQ(std::sscanf(time.c_str(), R"({"error":false,"res":%lf})", &milliseconds), 1) << time;
  EXPECT_GT(milliseconds, 0);
  EXPECT_LT(milliseconds, 900) << "MUCPD made 930 of it";
  EXPECT_EQ(live.remove("/u/alice/fn/add").body, one);
  EXPECT_EQ(live.get("/u/alice/time").body, time) << "what a function took was taken";
}

// The accounts forget days; what was used on them before a user was registered is not missed then.
TEST(Mucpd, ATimeIsThatSinceTheUserWasRegistered) {
  const Mucpd live;
  store::Users& accounts = live.catalog->users();
  const std::int64_t today = api::day_of(system_clock().wall_now());
  DayUsage used{
      .day = today - 1, .function = function_of("alice", "add"), .run_time = std::chrono::seconds(5)};
  ASSERT_TRUE(accounts.add_usage({used}));
  live.post("/u/alice");
  EXPECT_EQ(live.get("/u/alice/time").body, R"({"error":false,"res":0})");
  used.day = today + store::usage_days_max;
  used.run_time = std::chrono::seconds(1);
  ASSERT_TRUE(accounts.add_usage({used}));  // And so yesterday is forgotten.
  EXPECT_EQ(live.get("/u/alice/time").body, R"({"error":false,"res":1000})");
  live.post("/u/alice");
  EXPECT_EQ(live.get("/u/alice/time").body, R"({"error":false,"res":0})");
}

TEST(Mucpd, WhatIsNowhereIsNotFound) {
  const Mucpd live;
  for (const std::string target : {"/u", "/j", "/u/alice", "/u/alice/x", "/j/a/b/c"}) {
    const auto response = live.get(target);
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.body, "Not Found");
    EXPECT_EQ(response.header("Content-Type"), "text/plain; charset=utf-8");
  }
  EXPECT_EQ(live.get("/u/%ff/fn").status, 400);
  EXPECT_EQ(live.get("/healthz").status, 200) << "our own is there as ever";
}

TEST(Mucpd, ATextHasAHundredKibibytes) {
  const Mucpd live;
  live.post("/u/alice");
  const std::string text(100 * KiB, ' ');
  EXPECT_EQ(live.post("/u/alice/fn/f", text).body, one);
  const auto refused = live.post("/u/alice/fn/f", text + " ");
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_TRUE(refused.body.find("<pre>Payload Too Large</pre>") != std::string::npos) << refused.body;
  EXPECT_EQ(live.post("/u/alice/fn/f/run", text + "[]").status, 413);
}

TEST(Mucpd, NamesHaveALimit) {
  const Mucpd live;
  const std::string name(name_part_size_max * 10, 'n');
  EXPECT_EQ(live.post("/u/" + name).body, one);
  EXPECT_EQ(live.post("/u/" + name + "/fn/" + name, "x").body, one);
  EXPECT_EQ(live.get("/u/" + name + "/fn").body, R"({"error":false,"res":{")" + name + R"(":"x"}})");
  EXPECT_EQ(live.post("/u/" + std::string(1025, 'n')).body,
            R"({"error":true,"res":"[ERR] User name is longer than 1024 bytes."})");
  EXPECT_EQ(live.post("/u/a/fn/" + std::string(1025, 'n'), "x").body,
            R"({"error":true,"res":"[ERR] Function name is longer than 1024 bytes."})");
  EXPECT_TRUE(live.post("/u/a%00b").body.starts_with(R"({"error":true,"res":"[ERR] )"));
}

TEST(Mucpd, AnotherSitesPageChangesNothing) {
  const Mucpd live;
  EXPECT_EQ(live.post("/u/alice", "", {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_EQ(live.post("/u/alice", "", {{"Sec-Fetch-Site", "cross-site"}}).status, 403);
  EXPECT_EQ(live.get("/u/alice/fn", {{"Origin", "http://evil.example"}}).body, no_alice);
  EXPECT_EQ(live.post("/u/alice", "", {{"Origin", live.server->url()}}).body, one);
}

TEST(Mucpd, AsksForAKeyWhereOthersDo) {
  const Mucpd live([](Options& options) { options.auth = "on"; });
  const auto refused = live.post("/u/alice");
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.body.starts_with(R"({"error":true,"res":"[ERR] a key is needed here)")) << refused.body;
  EXPECT_EQ(live.get("/u").status, 404);
  const LiveServer::Headers admin = {{"Authorization", "Bearer " + live.server->new_admin_key()}};
  EXPECT_EQ(live.post("/u/alice", "", admin).body, one);
  EXPECT_EQ(live.post("/u/alice/fn/add", "x", admin).body, one);
  const auto made = live.post("/v1/users", R"({"name":"bob","namespaces":["mucpd-bob"]})", admin);
  ASSERT_EQ(made.status, 201) << made.body;
  const std::size_t at = made.body.find("cnp_");
  ASSERT_NE(at, std::string::npos) << made.body;
  const std::string key = made.body.substr(at, made.body.find('"', at) - at);
  const LiveServer::Headers bob = {{"Authorization", "Bearer " + key}};
  EXPECT_EQ(live.post("/u/bob", "", bob).body, one);
  EXPECT_EQ(live.get("/u/alice/fn", bob).body, no_alice) << "others' users are not there";
  EXPECT_EQ(live.post("/u/alice", "", bob).status, 403);
  const auto response = live.post("/u/alice/fn/add/run", "[]", admin);
  const std::string job = response.body.substr(22, 24);
  EXPECT_TRUE(api::eventually([&] { return live.get("/j/" + job, admin).body == one; }));
  EXPECT_EQ(live.get("/j/" + job, bob).body, nothing);
  EXPECT_EQ(live.remove("/j/" + job, bob).body, R"({"error":false,"res":0})");
}

TEST(Mucpd, ReadsNoLargeBodyFromThoseWithoutAKey) {
  const Mucpd live([](Options& options) { options.auth = "on"; });
  const auto refused = live.post("/u/alice/fn/add", std::string(50'000, 'x'));
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.body.starts_with(R"({"error":{"code":"unauthorized")")) << refused.body;
}

TEST(Mucpd, IsOpenToEverybodyWhereItIsSwitchedOn) {
  const Mucpd live([](Options& options) {
    options.auth = "on";
    options.mucpd = "on";
  });
  live.add("alice", "add");
  EXPECT_TRUE(live.ends(live.run("/u/alice/fn/add")));
  EXPECT_EQ(live.get("/v1/functions").status, 401) << "and nothing else is";
}

TEST(Mucpd, IsNotThereWhereItIsOff) {
  const Mucpd live([](Options& options) { options.mucpd = "off"; });
  EXPECT_EQ(live.post("/u/alice").status, 404);
  EXPECT_TRUE(live.post("/u/alice").body.starts_with(R"({"error":{"code":"not_found")"));
}

}  // namespace
}  // namespace canopy::mucpd
