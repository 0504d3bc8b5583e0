// Looking at calls and their logs, ending them, following what happens: over HTTP.

#include "api/calls.h"

#include <future>
#include <mutex>

#include <gtest/gtest.h>

#include "api/live_answers.h"
#include "api/live_server.h"
#include "api/logs.h"
#include "net/loopback.h"

namespace canopy::api {
namespace {

using net::HttpClientResponse;

// A call of `function` in a thread of its own, which waits until it is released.
class WaitingCall {
 public:
  WaitingCall(const LiveServer& live, std::string function)
      : live_(live), before_(live.runtime->waiting_count()) {
    response_ = std::async(std::launch::async,
                           [&live, function] { return live.post("/function/" + function, "in"); });
    const auto waits = [this] { return live_.runtime->waiting_count() > before_; };
    EXPECT_TRUE(eventually(waits));
    const auto calls = json_of(live.get("/v1/calls?state=RUNNING&function=" + function));
    id = std::string(calls.at("calls").at(0).at("id").as_string());
  }
  HttpClientResponse end() { return response_.get(); }
  HttpClientResponse release() {
    live_.runtime->release();
    return end();
  }

  std::string id;

 private:
  const LiveServer& live_;
  const std::size_t before_;
  std::future<HttpClientResponse> response_;
};

// Follows server-sent events in a thread of its own, until it has seen `last` or the stream ends.
class Following {
 public:
  Following(const LiveServer& live, std::string target, std::string last)
      : last_(std::move(last)), done_(std::async(std::launch::async, [this, &live, target] {
          net::HttpClientRequest request;
          request.url = live.server->url();
          request.target = target;
          request.headers = {{"Accept", "text/event-stream"}};
          const auto response = net::stream(request, [this](std::string_view piece) {
            const std::lock_guard lock(mutex_);
            text_ += piece;
            return text_.find(last_) == std::string::npos;
          });
          if (!response) return std::string("no response: ") + response.error().message;
          return std::to_string(response->status) + " " + std::string(response->header("Content-Type"));
        })) {
    const auto followed = [&live] { return has(live.get("/debug/state"), "\"followers\":1"); };
    EXPECT_TRUE(eventually(followed));
  }

  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  std::string end() { return done_.get(); }

 private:
  const std::string last_;
  mutable std::mutex mutex_;
  std::string text_;
  std::future<std::string> done_;
};

std::size_t count_of(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(Calls, ShowsOneThatRunsAndThenItsEnd) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  WaitingCall call(live, "demo/wait");
  auto json = json_of(live.get("/v1/calls/" + call.id));
  EXPECT_EQ(json.at("state").as_string(), "RUNNING");
  EXPECT_TRUE(json.at("ended").is_null());
  EXPECT_EQ(live.get("/v1/calls/" + call.id + "/result").status, 202);
  EXPECT_EQ(live.get("/v1/calls/" + call.id + "/logs").body, "began\n");
  const auto response = call.release();
  EXPECT_EQ(response.header("X-Call-Id"), call.id);
  json = json_of(live.get("/v1/calls/" + call.id));
  EXPECT_EQ(json.at("state").as_string(), "COMPLETED");
  EXPECT_EQ(json.at("status").as_int64(), 200);
  EXPECT_EQ(json.at("output_bytes").as_int64(), 6);
  EXPECT_EQ(live.get("/v1/calls/" + call.id + "/logs").body, "began\nwent on\n");
  EXPECT_EQ(live.get("/v1/calls/" + call.id + "/result").status, 410);
}

TEST(Calls, WaitsForTheEndOrAsLongAsItIsAsked) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  WaitingCall call(live, "demo/wait");
  EXPECT_TRUE(has(live.get("/v1/calls/" + call.id + "?wait=5ms"), "RUNNING"));
  auto waiter = std::async(std::launch::async,
                           [&live, &call] { return live.get("/v1/calls/" + call.id + "?wait=10m"); });
  ASSERT_TRUE(eventually([&live] { return has(live.get("/debug/state"), "\"followers\":1"); }));
  call.release();
  EXPECT_TRUE(has(waiter.get(), "COMPLETED"));
  EXPECT_TRUE(has(live.get("/v1/calls/" + call.id + "?wait=10m"), "COMPLETED"));
  EXPECT_EQ(live.get("/v1/calls/" + call.id + "?wait=soon").status, 400);
}

TEST(Calls, EndsOneThatRunsAndOnlyOnce) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  WaitingCall call(live, "demo/wait");
  EXPECT_EQ(live.request("DELETE", "/v1/calls/" + call.id).status, 202);
  EXPECT_EQ(call.end().status, 499);
  EXPECT_TRUE(has(live.get("/v1/calls/" + call.id), "CANCELLED"));
  const auto again = live.request("DELETE", "/v1/calls/" + call.id);
  EXPECT_EQ(again.status, 409);
  EXPECT_TRUE(has(again, "CANCELLED")) << again.body;
  EXPECT_EQ(live.get("/v1/calls/" + call.id + "/result").status, 424);
}

TEST(Calls, SaysWhatItDoesNotKnow) {
  const LiveServer live;
  const std::string unknown = "/v1/calls/" + std::string(32, '0');
  EXPECT_EQ(live.get(unknown).status, 404);
  EXPECT_EQ(live.get(unknown + "/result").status, 404);
  EXPECT_EQ(live.get(unknown + "/logs").status, 404);
  EXPECT_EQ(live.get(unknown + "/logs?follow=true").status, 404);
  EXPECT_EQ(live.request("DELETE", unknown).status, 404);
  EXPECT_EQ(live.get("/v1/calls/xyz").status, 400);
  EXPECT_EQ(live.post(unknown + "/retry").status, 404);
}

TEST(Calls, ListsByFunctionAndStateInPages) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/echo", "echo").status, 201);
  ASSERT_EQ(live.deploy("demo/fail", "fail").status, 201);
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  for (int i = 0; i < 5; ++i) live.post("/function/demo/echo");
  live.post("/function/demo/fail");
  WaitingCall call(live, "demo/wait");
  const auto count = [](const boost::json::value& json) { return json.at("calls").as_array().size(); };
  const auto all = json_of(live.get("/v1/calls"));
  EXPECT_EQ(count(all), 7U);
  EXPECT_EQ(all.at("calls").at(0).at("state").as_string(), "RUNNING");
  EXPECT_EQ(all.at("calls").at(1).at("state").as_string(), "FAILED");
  EXPECT_EQ(count(json_of(live.get("/v1/calls?function=demo/echo"))), 5U);
  EXPECT_EQ(count(json_of(live.get("/v1/calls?state=FAILED"))), 1U);
  EXPECT_EQ(count(json_of(live.get("/v1/calls?state=running"))), 1U);
  EXPECT_EQ(count(json_of(live.get("/v1/calls?since=1h"))), 7U);

  std::string after;
  std::size_t seen = 0;
  for (int page = 0; page < 10; ++page) {
    const auto json = json_of(live.get("/v1/calls?limit=2" + (after.empty() ? "" : "&after=" + after)));
    seen += count(json);
    if (json.at("next").is_null()) break;
    after = std::string(json.at("next").as_string());
  }
  EXPECT_EQ(seen, 7U);
  call.release();
  for (const char* const bad :
       {"limit=0", "limit=1001", "state=LOST", "function=..", "after=x", "since=1", "x=y"}) {
    EXPECT_EQ(live.get(std::string("/v1/calls?") + bad).status, 400) << bad;
  }
}

TEST(Logs, MarksAndCountsWhatWasNotKept) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/log", "log", "?log=10B").status, 201);
  const auto call = live.post("/function/demo/log", "0123456789and more");
  const auto log = live.get("/v1/calls/" + std::string(call.header("X-Call-Id")) + "/logs");
  EXPECT_EQ(log.status, 200);
  EXPECT_EQ(log.header("X-Log-Dropped-Bytes"), "8");
  EXPECT_EQ(log.body, "0123456789\n[8 bytes more were not kept; raise the function's 'log' to keep them]\n");
  EXPECT_TRUE(has(live.get("/metrics"), "canopy_log_dropped_bytes_total{function=\"demo/log\"} 8\n"));
}

TEST(Logs, ShowsThoseOfAFunctionsLastCallsOldestFirst) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/log", "log").status, 201);
  live.post("/function/demo/log", "one\ntwo\n");
  live.post("/function/demo/log", "");
  live.post("/function/demo/log", "three\nfour\n");
  const auto all = json_of(live.get("/v1/functions/demo/log/logs"));
  ASSERT_EQ(all.at("logs").as_array().size(), 2U);
  EXPECT_EQ(all.at("logs").at(0).at("text").as_string(), "one\ntwo\n");
  EXPECT_EQ(all.at("logs").at(1).at("text").as_string(), "three\nfour\n");
  const auto tail = json_of(live.get("/v1/functions/demo/log/logs?tail=3&since=1h"));
  EXPECT_EQ(tail.at("logs").at(0).at("text").as_string(), "two\n");
  EXPECT_EQ(json_of(live.get("/v1/functions/demo/log/logs?tail=0")).at("logs").as_array().size(), 0U);
  EXPECT_EQ(json_of(live.get("/v1/functions/demo/log/logs?since=0s")).at("logs").as_array().size(), 0U);
  EXPECT_EQ(live.get("/v1/functions/demo/none/logs").status, 404);
  EXPECT_EQ(live.get("/v1/functions/demo/log/logs?tail=x").status, 400);
}

TEST(Logs, SayWhenOlderOnesAreLeftOut) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/log", "log", "?log=1MiB").status, 201);
  const std::string logs = "/v1/functions/demo/log/logs";
  live.post("/function/demo/log", "first\n");
  EXPECT_FALSE(json_of(live.get(logs)).at("more").as_bool());
  const std::string line = std::string(std::size_t{200} * 1024, 'x') + "\n";
  for (int i = 0; i < 50; ++i) live.post("/function/demo/log", line);
  const auto response = live.get(logs);
  EXPECT_TRUE(json_of(response).at("more").as_bool());
  EXPECT_FALSE(has(response, "first"));
  EXPECT_FALSE(json_of(live.get(logs + "?tail=2")).at("more").as_bool());
}

TEST(Logs, KeepsTheLastLinesOverAllCalls) {
  const auto tail_of = [](std::vector<std::string> newest_first, std::uint64_t lines) {
    std::vector<Record> records;
    for (std::string& log : newest_first) {
      records.emplace_back();
      records.back().log = std::move(log);
    }
    keep_tail(records, lines);
    std::string text;
    for (const Record& record : records) text += "[" + record.log + "]";
    return text;
  };
  EXPECT_EQ(tail_of({"c\nd\n", "", "a\nb\n"}, 3), "[c\nd\n][b\n]");
  EXPECT_EQ(tail_of({"c\nd\n", "a\nb\n"}, 2), "[c\nd\n]");
  EXPECT_EQ(tail_of({"c\nd", "a\nb"}, 1), "[d]");
  EXPECT_EQ(tail_of({"c\nd"}, 9), "[c\nd]");
  EXPECT_EQ(tail_of({"\n\n\n"}, 2), "[\n\n]");
  EXPECT_EQ(tail_of({"a"}, 0), "");
}

TEST(Logs, FollowsACallFromItsBeginningToItsEnd) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  WaitingCall call(live, "demo/wait");
  Following following(live, "/v1/calls/" + call.id + "/logs", "no such text");
  call.release();
  EXPECT_EQ(following.end(), "200 text/event-stream");
  const std::string text = following.text();
  EXPECT_EQ(count_of(text, "began"), 1U) << text;
  EXPECT_EQ(count_of(text, "went on"), 1U) << text;
  EXPECT_TRUE(text.find("\"offset\":6,\"text\":\"went on\\n\"") != std::string::npos) << text;
  EXPECT_EQ(count_of(text, "event: end\n"), 1U) << text;
  EXPECT_TRUE(text.find("COMPLETED") != std::string::npos) << text;
  // One that has ended is told whole.
  const auto ended = live.get("/v1/calls/" + call.id + "/logs?follow=true");
  EXPECT_TRUE(has(ended, "began\\nwent on\\n")) << ended.body;
  EXPECT_TRUE(has(ended, "event: end\n"));
}

TEST(Logs, FollowsAFunctionOverItsCalls) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/log", "log").status, 201);
  ASSERT_EQ(live.deploy("demo/other", "log").status, 201);
  live.post("/function/demo/log", "before");
  Following following(live, "/v1/functions/demo/log/logs", "the last");
  live.post("/function/demo/other", "not this");
  live.post("/function/demo/log", "between");
  live.post("/function/demo/log", "the last");
  EXPECT_EQ(following.end(), "200 text/event-stream");
  const std::string text = following.text();
  EXPECT_LT(text.find("before"), text.find("between"));
  EXPECT_EQ(count_of(text, "between"), 1U) << text;
  EXPECT_EQ(count_of(text, "not this"), 0U) << text;
  EXPECT_TRUE(eventually([&live] { return has(live.get("/debug/state"), "\"followers\":0"); }));
}

TEST(Logs, TellsAClientThatDoesNotReadHowMuchItLost) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/log", "log").status, 201);
  net::RawClient client(live.server->port(), 4096);
  const std::string request = "GET /v1/functions/demo/log/logs?follow=true HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_TRUE(eventually([&] { return client.send(request) == request.size(); }));
  ASSERT_TRUE(eventually([&] { return has(live.get("/debug/state"), "\"followers\":1"); }));
  for (int i = 0; i < 60; ++i) live.post("/function/demo/log", std::string(256 * KiB, 'x'));
  EXPECT_TRUE(eventually([&client] {
    client.read();
    return client.received.find("event: lost\ndata: {\"count\":") != std::string::npos;
  }));
  client.leave();
  EXPECT_TRUE(eventually([&live] { return has(live.get("/debug/state"), "\"followers\":0"); }));
}

TEST(Events, TellsOfDeploymentsAndCalls) {
  const LiveServer live;
  Following following(live, "/v1/events", "function.removed");
  live.deploy("demo/echo", "echo");
  live.deploy("demo/echo", "show");
  live.deploy("demo/echo", "show");  // Changes nothing, so there is nothing to tell.
  live.post("/function/demo/echo", "x");
  live.post("/v1/functions/demo/echo/rollback");
  live.request("DELETE", "/v1/functions/demo/echo");
  EXPECT_EQ(following.end(), "200 text/event-stream");
  const std::string text = following.text();
  EXPECT_EQ(count_of(text, "event: function.deployed\n"), 2U) << text;
  EXPECT_EQ(count_of(text, "event: call.started\n"), 1U) << text;
  EXPECT_EQ(count_of(text, "event: call.ended\n"), 1U) << text;
  EXPECT_EQ(count_of(text, "event: function.rolled_back\n"), 1U) << text;
  EXPECT_EQ(live.get("/v1/events?function=..").status, 400);
  EXPECT_EQ(live.request("HEAD", "/v1/events").status, 200);
}

// The JSON that follows the first event of that name.
boost::json::value data_of(const std::string& text, const std::string& event) {
  const std::string begin = "event: " + event + "\ndata: ";
  const std::size_t at = text.find(begin);
  if (at == std::string::npos) return {};
  const std::size_t from = at + begin.size();
  return wire::parse_json(text.substr(from, text.find('\n', from) - from)).value_or(boost::json::value());
}

TEST(Events, TellOfAStartWhenTheCallRuns) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  live.deploy("demo/last", "echo");
  Following following(live, "/v1/events", "function.removed");
  const auto accepted = live.post("/async-function/demo/echo", "x");
  const std::string id(accepted.header("X-Call-Id"));
  const auto record = json_of(live.get("/v1/calls/" + id + "?wait=30s"));
  live.request("DELETE", "/v1/functions/demo/last");
  following.end();
  const auto started = data_of(following.text(), "call.started");
  ASSERT_TRUE(started.is_object()) << following.text();
  EXPECT_EQ(started.at("id").as_string(), id);
  EXPECT_EQ(started.at("state").as_string(), "RUNNING");
  EXPECT_TRUE(started.at("started").is_string());
  EXPECT_EQ(started.at("queued"), record.at("queued"));
}

TEST(Events, LeavesOutWhatIsNotAskedFor) {
  const LiveServer live;
  Following following(live, "/v1/events?function=demo/two", "demo/two");
  live.deploy("demo/one", "echo");
  live.deploy("demo/two", "echo");
  following.end();
  EXPECT_EQ(count_of(following.text(), "demo/one"), 0U) << following.text();
}

}  // namespace
}  // namespace canopy::api
