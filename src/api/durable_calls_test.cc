// Durable calls over HTTP, on a log in memory.

#include "api/durable_calls.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

#include "api/live_answers.h"
#include "api/live_server.h"

namespace canopy::api {
namespace {

using net::HttpClientResponse;

std::string id_of(const HttpClientResponse& response) {
  EXPECT_EQ(response.status, 202) << response.body;
  return std::string(response.header("X-Call-Id"));
}

std::string state_of(const LiveServer& live, const std::string& id, const std::string& query = "?wait=30s") {
  return std::string(json_of(live.get("/v1/calls/" + id + query)).at("state").as_string());
}

TEST(DurableCalls, AreAcceptedRunAndKeepTheirResult) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const auto accepted = live.post("/async-function/demo/echo", "the input");
  const std::string id = id_of(accepted);
  EXPECT_EQ(accepted.body, "{\"id\":\"" + id + "\"}\n");
  EXPECT_EQ(accepted.header("Location"), "/v1/calls/" + id);
  EXPECT_EQ(state_of(live, id), "COMPLETED");
  for (int time = 0; time < 2; ++time) {
    const auto result = live.get("/v1/calls/" + id + "/result");
    EXPECT_EQ(result.status, 200);
    EXPECT_EQ(result.body, "the input");
    EXPECT_EQ(result.header("X-Call-Id"), id);
  }
  EXPECT_TRUE(has(live.get("/v1/calls"), id));
  EXPECT_TRUE(has(live.get("/v1/calls?function=demo/echo&state=COMPLETED"), id));
  EXPECT_FALSE(has(live.get("/v1/calls?state=FAILED"), id));
}

TEST(DurableCalls, AreDeliveredAgainWhenTheirWorkerEndsUnderThem) {
  const LiveServer live;
  std::atomic<int> count = 0;
  live.runtime->add("lost", {.begin = {}, .end = [&count](Call&, Reply& reply) {
                               if (++count > 1) return;
                               reply.lost = true;
                               reply.error = Error{Code::died, "the worker process was ended", Stage::run};
                             }});
  live.deploy("demo/lost", "lost");
  const std::string id = id_of(live.post("/async-function/demo/lost"));
  EXPECT_EQ(state_of(live, id), "COMPLETED");
  EXPECT_EQ(count, 2);
  EXPECT_TRUE(has(live.get("/v1/calls/" + id), "the worker process was ended"));
}

TEST(DurableCalls, AreGivenBackWhereNobodyCouldBeginThem) {
  const LiveServer live;
  std::atomic<int> count = 0;
  live.runtime->add("away", {.begin = {}, .end = [&count](Call&, Reply& reply) {
                               if (++count > 3) return;
                               reply.unbegun = true;
                               reply.error = Error{Code::unavailable, "no worker process runs", Stage::queue};
                             }});
  live.deploy("demo/away", "away");
  const std::string id = id_of(live.post("/async-function/demo/away"));
  EXPECT_EQ(state_of(live, id), "COMPLETED");
  EXPECT_EQ(json_of(live.get("/v1/calls/" + id)).at("attempt").as_int64(), 1);
}

TEST(DurableCalls, TheFunctionSeesWhatWasAskedAndNotWhatWasForUs) {
  const LiveServer live;
  live.deploy("demo/show", "show");
  const std::string id = id_of(live.post(
      "/async-function/demo/show/a/b?x=1", "in",
      {{"X-Mine", "yes"}, {"Idempotency-Key", "k"}, {"X-Canopy-Retry", "2"}, {"X-Canopy-Timeout", "5s"}}));
  EXPECT_EQ(state_of(live, id), "COMPLETED");
  const auto result = live.get("/v1/calls/" + id + "/result");
  EXPECT_TRUE(has(result, "POST /a/b?x=1\n")) << result.body;
  EXPECT_TRUE(has(result, "X-Mine: yes"));
  EXPECT_FALSE(has(result, "Idempotency-Key"));
  EXPECT_FALSE(has(result, "X-Canopy"));
}

TEST(DurableCalls, KeepStatusHeadersAndLog) {
  const LiveServer live;
  live.deploy("demo/teapot", "teapot");
  live.deploy("demo/log", "log");
  const std::string teapot = id_of(live.post("/async-function/demo/teapot"));
  EXPECT_EQ(state_of(live, teapot), "COMPLETED");
  const auto result = live.get("/v1/calls/" + teapot + "/result");
  EXPECT_EQ(result.status, 418);
  EXPECT_EQ(result.header("Content-Type"), "text/teapot");
  EXPECT_EQ(result.header("X-Own"), "yes");
  EXPECT_EQ(result.header("X-Call-Id"), teapot);
  const std::string log = id_of(live.post("/async-function/demo/log", "a line\n"));
  EXPECT_EQ(state_of(live, log), "COMPLETED");
  EXPECT_EQ(live.get("/v1/calls/" + log + "/logs").body, "a line\n");
  EXPECT_TRUE(has(live.get("/v1/functions/demo/log/logs"), "a line"));
}

TEST(DurableCalls, AFailureIsToldAndCanBeRetried) {
  const LiveServer live;
  live.deploy("demo/trap", "trap");
  const std::string id = id_of(live.post("/async-function/demo/trap"));
  EXPECT_EQ(state_of(live, id), "FAILED");
  const auto result = live.get("/v1/calls/" + id + "/result");
  EXPECT_EQ(result.status, 424);
  EXPECT_TRUE(has(result, "unreachable at main+0x12"));
  EXPECT_EQ(live.get("/v1/calls/" + id + "/logs").body, "last words\n");
  EXPECT_TRUE(has(live.get("/v1/calls?state=FAILED"), id));
  // A call that somebody waited for is no dead letter: its input is not kept.
  const std::string direct(live.post("/function/demo/trap").header("X-Call-Id"));
  EXPECT_TRUE(eventually([&] { return has(live.get("/v1/calls?state=FAILED"), direct); }));
  EXPECT_TRUE(has(live.get("/v1/calls?state=FAILED&durable=true"), id));
  EXPECT_FALSE(has(live.get("/v1/calls?state=FAILED&durable=true"), direct));
  EXPECT_EQ(live.post("/v1/calls/" + id + "/retry").status, 202);
  EXPECT_EQ(state_of(live, id), "FAILED");
  const auto record = json_of(live.get("/v1/calls/" + id));
  EXPECT_EQ(record.at("attempts").as_array().size(), 2U);
  EXPECT_EQ(record.at("attempt").as_int64(), 2);
}

TEST(DurableCalls, AFunctionThatIsGoneFailsItsCalls) {
  const LiveServer live;
  EXPECT_EQ(live.post("/async-function/demo/echo").status, 404);
  live.deploy("demo/wait", "wait");
  live.deploy("demo/echo", "echo", "?concurrency=1");
  const std::string waits = id_of(live.post("/async-function/demo/wait"));
  ASSERT_TRUE(eventually([&] { return live.runtime->waiting_count() == 1; }));
  EXPECT_EQ(live.get("/v1/calls/" + waits + "/result").status, 202);
  EXPECT_EQ(state_of(live, waits, ""), "RUNNING");
  EXPECT_EQ(live.get("/v1/calls/" + waits + "/logs").body, "began\n");
  live.runtime->release();
  EXPECT_EQ(state_of(live, waits), "COMPLETED");
}

TEST(DurableCalls, ARunningCallCanBeCancelled) {
  const LiveServer live;
  live.deploy("demo/wait", "wait");
  const std::string id = id_of(live.post("/async-function/demo/wait"));
  ASSERT_TRUE(eventually([&] { return live.runtime->waiting_count() == 1; }));
  const auto cancelled = live.request("DELETE", "/v1/calls/" + id);
  EXPECT_EQ(cancelled.status, 200);
  EXPECT_TRUE(has(cancelled, R"("state":"CANCELLED")"));
  EXPECT_EQ(live.request("DELETE", "/v1/calls/" + id).status, 409);
  EXPECT_TRUE(eventually([&] { return live.runtime->waiting_count() == 0; }));
  EXPECT_EQ(live.get("/v1/calls/" + id + "/result").status, 424);
  EXPECT_EQ(live.post("/v1/calls/" + id + "/retry").status, 409);
}

TEST(DurableCalls, OneKeyIsOneCall) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const LiveServer::Headers key = {{"Idempotency-Key", "order-1"}};
  const auto first = live.post("/async-function/demo/echo", "a", key);
  const auto second = live.post("/async-function/demo/echo", "a", key);
  EXPECT_EQ(id_of(first), id_of(second));
  EXPECT_EQ(first.header("Idempotency-Replayed"), "");
  EXPECT_EQ(second.header("Idempotency-Replayed"), "true");
  const auto other = live.post("/async-function/demo/echo", "b", key);
  EXPECT_EQ(other.status, 409);
  EXPECT_TRUE(has(other, "Idempotency-Key"));
}

TEST(DurableCalls, BadHeadersAreRefusedInWords) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const std::vector<net::HttpHeader> bad = {
      {"X-Canopy-Retry", "many"},
      {"X-Canopy-Retry", "101"},
      {"X-Canopy-Timeout", "-1"},
      {"Idempotency-Key", "a b"},
      {"X-Callback-Url", "ftp://example.org/"},
      {"X-Callback-Url", "nowhere"},
      {"X-Callback-Url", "http://user:pass@example.org/"},
      {"X-Callback-Url", "http://127.0.0.1/"},
      {"X-Callback-Url", "http://localhost/"},
      {"X-Callback-Url", "http://169.254.169.254/latest"},
      {"X-Callback-Url", "http://[::1]/"},
      {"X-Callback-Url", "http://10.1.2.3:80/x"},
      {"X-Callback-Url", "http://example.org/" + std::string(3000, 'x')}};
  for (const auto& header : bad) {
    const auto refused = live.post("/async-function/demo/echo", "", {header});
    EXPECT_EQ(refused.status, 400) << header.name << ": " << header.value.substr(0, 100);
    EXPECT_TRUE(has(refused, header.name)) << refused.body;
  }
  EXPECT_EQ(live.get("/v1/calls?limit=1").body, "{\"calls\":[],\"next\":null}\n");
}

TEST(DurableCalls, AFullQueueIs429AndSaysWhen) {
  const LiveServer live([](Options& options) { options.calls_queue_max = 2; });
  live.deploy("demo/wait", "wait", "?concurrency=1");
  id_of(live.post("/async-function/demo/wait"));
  ASSERT_TRUE(eventually([&] { return live.runtime->waiting_count() == 1; }));
  id_of(live.post("/async-function/demo/wait"));
  id_of(live.post("/async-function/demo/wait"));
  const auto full = live.post("/async-function/demo/wait");
  EXPECT_EQ(full.status, 429);
  EXPECT_NE(full.header("Retry-After"), "");
  EXPECT_TRUE(has(full, "demo/wait"));
  live.deploy("demo/echo", "echo");
  EXPECT_EQ(state_of(live, id_of(live.post("/async-function/demo/echo"))), "COMPLETED")
      << "one full queue delays no other";
  ASSERT_TRUE(eventually([&] {
    live.runtime->release();
    return !has(live.get("/v1/calls?function=demo/wait"), "QUEUED");
  }));
}

TEST(DurableCalls, AnUnknownIdIsNotFoundAndAPlainCallCannotBeRetried) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const std::string unknown(32, 'a');
  EXPECT_EQ(live.get("/v1/calls/" + unknown).status, 404);
  EXPECT_EQ(live.get("/v1/calls/" + unknown + "/result").status, 404);
  EXPECT_EQ(live.get("/v1/calls/" + unknown + "/logs").status, 404);
  EXPECT_EQ(live.request("DELETE", "/v1/calls/" + unknown).status, 404);
  EXPECT_EQ(live.post("/v1/calls/" + unknown + "/retry").status, 404);
  const auto plain = live.post("/function/demo/echo");
  EXPECT_EQ(live.post("/v1/calls/" + std::string(plain.header("X-Call-Id")) + "/retry").status, 409);
}

TEST(DurableCalls, StateIsFollowedAsEvents) {
  const LiveServer live;
  live.deploy("demo/wait", "wait");
  const std::string id = id_of(live.post("/async-function/demo/wait"));
  ASSERT_TRUE(eventually([&] { return live.runtime->waiting_count() == 1; }));
  auto events = std::async(std::launch::async,
                           [&] { return live.get("/v1/calls/" + id, {{"Accept", "text/event-stream"}}); });
  ASSERT_TRUE(eventually([&] { return has(live.get("/metrics"), "canopy_followers 1"); }));
  live.runtime->release();
  const auto response = events.get();
  EXPECT_TRUE(has(response, "event: call\n")) << response.body;
  EXPECT_TRUE(has(response, "event: call.ended\n")) << response.body;
  EXPECT_TRUE(has(response, R"("state":"COMPLETED")"));
}

// Whoever waits is woken by changes of users as well, and waits on.
TEST(DurableCalls, AWaitIsNotCutShortByAChangeOfUsers) {
  const LiveServer live([](Options& options) { options.auth = "off"; });
  live.deploy("demo/wait", "wait");
  const std::string id = id_of(live.post("/async-function/demo/wait"));
  ASSERT_TRUE(eventually([&] { return live.runtime->waiting_count() == 1; }));
  auto waiting = std::async(std::launch::async, [&] { return live.get("/v1/calls/" + id + "?wait=30s"); });
  ASSERT_TRUE(eventually([&] { return has(live.get("/metrics"), "canopy_followers 1"); }));
  EXPECT_EQ(live.post("/v1/users", R"({"name":"root","role":"admin"})").status, 201);
  EXPECT_EQ(live.post("/v1/keys", R"({"user":"root"})").status, 201);
  live.runtime->release();
  const auto ended = waiting.get();
  EXPECT_TRUE(has(ended, R"("state":"COMPLETED")")) << ended.body;
}

TEST(DurableCalls, AreListedWithTheOthersByTheirTime) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  std::vector<std::string> ids;  // The newest first.
  const auto call = [&](const std::string& path) {
    const auto response = live.post(path);
    ids.emplace(ids.begin(), response.header("X-Call-Id"));
    state_of(live, ids.front());
  };
  const auto listed = [&live](const std::string& query) {
    std::vector<std::string> all;
    std::string after;
    for (int page = 0; page < 20; ++page) {
      const auto json = json_of(live.get("/v1/calls?" + query + after));
      for (const auto& one : json.at("calls").as_array()) all.emplace_back(one.at("id").as_string());
      if (json.at("next").is_null()) break;
      after = "&after=" + std::string(json.at("next").as_string());
    }
    return all;
  };
  for (const char kind : std::string("ppdpddp"))
    call(kind == 'd' ? "/async-function/demo/echo" : "/function/demo/echo");
  for (int limit = 1; limit <= 8; ++limit) EXPECT_EQ(listed("limit=" + std::to_string(limit)), ids) << limit;
  EXPECT_EQ(listed("durable=true&limit=2").size(), 3U);
  const auto rest = json_of(live.get("/v1/calls?after=" + ids[1]));  // A durable one.
  EXPECT_EQ(rest.at("calls").as_array().size(), 5U);
}

TEST(DurableCalls, ListsInPagesAcrossBothKinds) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  for (int i = 0; i < 3; ++i) live.post("/function/demo/echo");
  for (int i = 0; i < 3; ++i) state_of(live, id_of(live.post("/async-function/demo/echo")));
  std::size_t count = 0;
  std::string after;
  for (int page = 0; page < 10; ++page) {
    const auto json = json_of(live.get("/v1/calls?limit=2" + after));
    count += json.at("calls").as_array().size();
    if (json.at("next").is_null()) break;
    after = "&after=" + std::string(json.at("next").as_string());
  }
  EXPECT_EQ(count, 6U);
}

}  // namespace
}  // namespace canopy::api
