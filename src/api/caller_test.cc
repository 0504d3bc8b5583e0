// Calling functions, over HTTP.

#include "api/caller.h"

#include <future>

#include <gtest/gtest.h>

#include "api/live_answers.h"
#include "api/live_server.h"
#include "net/loopback.h"

namespace canopy::api {
namespace {

using net::HttpClientResponse;

std::future<HttpClientResponse> call_later(const LiveServer& live, std::string target,
                                           LiveServer::Headers headers = {}) {
  return std::async(std::launch::async, [&live, target = std::move(target), headers = std::move(headers)] {
    return live.post(target, "in", headers);
  });
}

TEST(Caller, AnswersWithTheOutputAndWhatItUsed) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/hello", "echo").status, 201);
  const auto first = live.post("/function/demo/hello", "hello, world");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, "hello, world");
  EXPECT_EQ(first.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(parse_call_id(first.header("X-Call-Id")).has_value());
  EXPECT_EQ(first.header("X-Cold-Start"), "true");
  EXPECT_EQ(first.header("X-Memory-Bytes"), "65536");
  EXPECT_GE(std::stod(std::string(first.header("X-Duration-Seconds"))), 0);
  EXPECT_GE(std::stod(std::string(first.header("X-Queue-Seconds"))), 0);
  const auto is_warm = [&live] {
    return live.post("/function/demo/hello").header("X-Cold-Start") == "false";
  };
  EXPECT_TRUE(eventually(is_warm));
}

TEST(Caller, SaysHowLongACallWaitedForItsFunctionToBeMadeReady) {
  const LiveServer live([](Options& options) { options.core_count = 1; });
  ASSERT_EQ(live.deploy("demo/hello", "echo").status, 201);
  const auto usage_of = [&live](const HttpClientResponse& response) {
    return json_of(live.get("/v1/calls/" + std::string(response.header("X-Call-Id")))).at("usage");
  };
  const auto cold = usage_of(live.post("/function/demo/hello", "x"));
  EXPECT_EQ(cold.at("cold"), true);
  EXPECT_GT(cold.at("start_seconds").as_double(), 0);
  EXPECT_TRUE(cold.at("hop_seconds").is_null());
  const auto warm = usage_of(live.post("/function/demo/hello", "x"));
  EXPECT_EQ(warm.at("cold"), false);
  EXPECT_EQ(warm.at("start_seconds"), 0);
  EXPECT_TRUE(warm.at("hop_seconds").is_null());
}

TEST(Caller, PassesMethodPathQueryAndHeaders) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/show", "show").status, 201);
  const auto response =
      live.request("PATCH", "/function/demo/show/a%20b/c?x=1&y=%2F", "in",
                   {{"X-Mine", "value"},
                    {"traceparent", "00-11111111111111111111111111111111-2222222222222222-01"},
                    {"TE", "trailers"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(has(response, "PATCH /a%20b/c?x=1&y=%2F\n")) << response.body;
  EXPECT_TRUE(has(response, "X-Mine: value\n"));
  EXPECT_TRUE(has(response, "traceparent: 00-1111"));
  EXPECT_FALSE(has(response, "TE: "));
  EXPECT_FALSE(has(response, "Connection: "));
  const auto record = live.get("/v1/calls/" + std::string(response.header("X-Call-Id")));
  EXPECT_TRUE(has(record, R"("trace":"00-1111)")) << record.body;
  EXPECT_TRUE(has(live.get("/function/demo/show"), "GET /?\n"));
  EXPECT_TRUE(has(live.request("OPTIONS", "/function/demo/show"), "OPTIONS /?\n"));
  const auto head = live.request("HEAD", "/function/demo/show");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
}

TEST(Caller, PassesStatusAndHeadersOfTheFunctionButNotThoseThatAreNotItsOwn) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/tea", "teapot").status, 201);
  const auto response = live.get("/function/demo/tea");
  EXPECT_EQ(response.status, 418);
  EXPECT_EQ(response.body, "short and stout");
  EXPECT_EQ(response.header("Content-Type"), "text/teapot");
  EXPECT_EQ(response.header("X-Own"), "yes");
  EXPECT_NE(response.header("X-Call-Id"), "forged");
  EXPECT_EQ(response.header("Set-Cookie"), "");
  EXPECT_EQ(response.header("X-Split"), "");
  EXPECT_NE(response.header("Connection"), "upgrade");
}

TEST(Caller, CallsOutputBytesWhereItIsNoText) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/bytes", "bytes").status, 201);
  EXPECT_EQ(live.get("/function/demo/bytes").header("Content-Type"), "application/octet-stream");
}

TEST(Caller, AnswersAFailureWithItsErrorItsCallAndARecord) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/fail", "fail").status, 201);
  ASSERT_EQ(live.deploy("demo/trap", "trap").status, 201);
  const auto failed = live.get("/function/demo/fail");
  EXPECT_EQ(failed.status, 424);
  EXPECT_TRUE(has(failed, R"("code":"function_failed")")) << failed.body;
  EXPECT_TRUE(has(failed, R"("stage":"run")"));
  EXPECT_TRUE(has(failed, std::string(failed.header("X-Call-Id"))));
  EXPECT_NE(failed.header("X-Duration-Seconds"), "");
  const auto trapped = live.get("/function/demo/trap");
  EXPECT_EQ(trapped.status, 502);
  EXPECT_TRUE(has(trapped, "unreachable at main+0x12"));
  const std::string id(trapped.header("X-Call-Id"));
  const auto record = live.get("/v1/calls/" + id);
  EXPECT_TRUE(has(record, R"("state":"FAILED")")) << record.body;
  EXPECT_TRUE(has(record, R"("status":502)"));
  EXPECT_EQ(live.get("/v1/calls/" + id + "/logs").body, "last words\n");
}

TEST(Caller, RefusesAReplyThatCannotBeSent) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/status", "bad-status").status, 201);
  ASSERT_EQ(live.deploy("demo/many", "many-headers").status, 201);
  EXPECT_EQ(live.get("/function/demo/status").status, 424);
  const auto many = live.get("/function/demo/many");
  EXPECT_EQ(many.status, 502);
  EXPECT_TRUE(has(many, R"("code":"limit")")) << many.body;
}

TEST(Caller, SaysThatThereIsNoSuchFunction) {
  const LiveServer live;
  const auto response = live.post("/function/demo/none", "x");
  EXPECT_EQ(response.status, 404);
  EXPECT_TRUE(has(response, "demo/none")) << response.body;
  EXPECT_EQ(live.get("/function/demo").status, 404);
  EXPECT_EQ(live.get("/function/de%2Fmo/x").status, 400);
}

TEST(Caller, RefusesACallTooManyAndSaysWhenToComeBack) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait", "?concurrency=2").status, 201);
  auto one = call_later(live, "/function/demo/wait");
  auto two = call_later(live, "/function/demo/wait");
  ASSERT_TRUE(eventually([&live] { return live.runtime->waiting_count() == 2; }));
  const auto third = live.post("/function/demo/wait");
  EXPECT_EQ(third.status, 429);
  EXPECT_TRUE(has(third, R"("code":"exhausted")")) << third.body;
  EXPECT_GE(std::stoi(std::string(third.header("Retry-After"))), 1);
  live.runtime->release();
  EXPECT_EQ(one.get().body, "waited");
  EXPECT_EQ(two.get().body, "waited");
  auto again = call_later(live, "/function/demo/wait");
  ASSERT_TRUE(eventually([&live] { return live.runtime->waiting_count() == 1; }));
  live.runtime->release();
  EXPECT_EQ(again.get().status, 200);
}

// What is noted of a call is noted after its answer was sent, but before anybody can ask.
TEST(Caller, WhoHasTheAnswerFindsTheRecordAndThePlaceFree) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/one", "echo", "?concurrency=1").status, 201);
  for (int i = 0; i < 50; ++i) {
    const auto response = live.post("/function/demo/one", "in");
    ASSERT_EQ(response.status, 200) << response.body;
    const std::string id(response.header("X-Call-Id"));
    ASSERT_TRUE(has(live.get("/v1/calls?state=COMPLETED&limit=1"), id));
    const auto record = live.get("/v1/calls/" + id);
    ASSERT_TRUE(has(record, R"("state":"COMPLETED")")) << record.body;
  }
}

TEST(Caller, AWorkerThatEndedUnderACallIsThePlatformsFault) {
  const LiveServer live;
  const auto lose = [](Call&, Reply& reply) {
    reply.lost = true;
    reply.error = Error{Code::died, "the worker process was ended", Stage::run};
  };
  live.runtime->add("lost", {.begin = {}, .end = lose});
  ASSERT_EQ(live.deploy("demo/lost", "lost").status, 201);
  ASSERT_EQ(live.deploy("demo/trap", "trap").status, 201);
  const auto lost = live.post("/function/demo/lost");
  EXPECT_EQ(lost.status, 502);
  EXPECT_TRUE(has(lost, R"("origin":"platform")")) << lost.body;
  const auto trapped = live.post("/function/demo/trap");
  EXPECT_EQ(trapped.status, 502);
  EXPECT_TRUE(has(trapped, R"("origin":"function")")) << trapped.body;
}

TEST(Caller, EndsACallAtTheSoonerOfItsDeadlines) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  ASSERT_EQ(live.deploy("demo/short", "wait", "?timeout=20ms").status, 201);
  const auto asked = live.post("/function/demo/wait", "", {{"X-Canopy-Timeout", "20ms"}});
  EXPECT_EQ(asked.status, 504);
  EXPECT_TRUE(has(asked, R"("code":"deadline")")) << asked.body;
  EXPECT_TRUE(has(asked, R"("stage":"run")"));
  EXPECT_EQ(live.post("/function/demo/short").status, 504);
  EXPECT_EQ(live.post("/function/demo/short", "", {{"X-Canopy-Timeout", "10m"}}).status, 504);
  for (const char* const bad : {"soon", "-1s", "0", "2h", ""}) {
    EXPECT_EQ(live.post("/function/demo/wait", "", {{"X-Canopy-Timeout", bad}}).status, 400) << bad;
  }
}

TEST(Caller, EndsACallWhoseClientLeaves) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  {
    net::RawClient client(live.server->port());
    const std::string request = "POST /function/demo/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    ASSERT_TRUE(eventually([&client, &request] { return client.send(request) == request.size(); }));
    ASSERT_TRUE(eventually([&live] { return live.runtime->waiting_count() == 1; }));
    client.leave();
  }
  ASSERT_TRUE(eventually([&live] { return has(live.get("/v1/calls?state=CANCELLED"), "CANCELLED"); }));
  const auto calls = live.get("/v1/calls?state=cancelled");
  EXPECT_TRUE(has(calls, R"("status":499)")) << calls.body;
  EXPECT_TRUE(has(calls, "the client went away"));
  EXPECT_EQ(live.runtime->waiting_count(), 0U);
}

TEST(Caller, MakesATemplateOnceForAllWhoWait) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/hello", "echo").status, 201);
  const std::size_t before = live.runtime->prepare_count();
  live.runtime->forget();
  live.runtime->hold_prepare(true);
  std::vector<std::future<HttpClientResponse>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(call_later(live, "/function/demo/hello"));
  const auto queued_count = [&live] {
    const std::string calls = live.get("/v1/calls?state=QUEUED").body;
    std::size_t count = 0;
    for (std::size_t at = calls.find("QUEUED"); at != calls.npos; at = calls.find("QUEUED", at + 1)) ++count;
    return count;
  };
  ASSERT_TRUE(eventually([&queued_count] { return queued_count() == 6; }));
  const auto late = live.post("/function/demo/hello", "", {{"X-Canopy-Timeout", "20ms"}});
  EXPECT_EQ(late.status, 504);
  EXPECT_TRUE(has(late, R"("stage":"start")")) << late.body;
  live.runtime->hold_prepare(false);
  for (auto& call : calls) EXPECT_EQ(call.get().body, "in");
  EXPECT_EQ(live.runtime->prepare_count(), before + 1);
}

TEST(Caller, ACallThatWaitsForItsTemplateCanBeCancelled) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/hello", "echo").status, 201);
  live.runtime->forget();
  live.runtime->hold_prepare(true);
  auto call = call_later(live, "/function/demo/hello");
  std::string id;
  ASSERT_TRUE(eventually([&live, &id] {
    const std::string calls = live.get("/v1/calls?state=QUEUED").body;
    const std::size_t at = calls.find("\"id\":\"");
    if (at != calls.npos) id = calls.substr(at + 6, 32);
    return at != calls.npos;
  }));
  EXPECT_EQ(live.request("DELETE", "/v1/calls/" + id).status, 202);
  EXPECT_EQ(call.get().status, 499);
  live.runtime->hold_prepare(false);
}

TEST(Caller, UnloadsWhatWasNotUsedForLongest) {
  const LiveServer live([](Options& options) {
    options.core_count = 1;
    options.templates_bytes_max = 200 * KiB;
  });
  for (const char* const name : {"demo/one", "demo/two", "demo/three"}) {
    ASSERT_EQ(live.deploy(name, name[5] == 'o' ? "echo" : name[6] == 'w' ? "show" : "bytes").status, 201);
  }
  live.runtime->set_resident_bytes(90 * KiB);
  live.get("/function/demo/one");
  live.get("/function/demo/two");
  EXPECT_EQ(live.runtime->unload_count(), 0U);
  live.get("/function/demo/three");
  // A reply is sent before its call is settled, and room is made when it is.
  ASSERT_TRUE(eventually([&live] { return live.runtime->unload_count() > 0; }));
  EXPECT_EQ(live.runtime->unload_count(), 1U);
  EXPECT_EQ(live.get("/function/demo/two").header("X-Cold-Start"), "false");
  EXPECT_EQ(live.get("/function/demo/one").header("X-Cold-Start"), "true");
}

TEST(Caller, ANewVersionIsCalledAtOnceAndOldCallsGoOn) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/it", "wait").status, 201);
  auto old = call_later(live, "/function/demo/it");
  ASSERT_TRUE(eventually([&live] { return live.runtime->waiting_count() == 1; }));
  ASSERT_EQ(live.deploy("demo/it", "echo").status, 200);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(live.post("/function/demo/it", "new").body, "new");
  ASSERT_EQ(live.request("DELETE", "/v1/functions/demo/it").status, 200);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(live.post("/function/demo/it", "new").status, 404);
  live.runtime->release();
  EXPECT_EQ(old.get().body, "waited");
}

}  // namespace
}  // namespace canopy::api
