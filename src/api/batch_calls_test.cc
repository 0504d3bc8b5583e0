// Many durable calls in one request, on a log in memory.

#include "api/batch_calls.h"

#include <gtest/gtest.h>

#include "api/live_answers.h"
#include "api/live_server.h"

namespace canopy::api {
namespace {

constexpr const char* echo_calls = "/v1/functions/demo/echo/calls";

TEST(BatchCalls, AreAllTakenAndEachKeepsItsResult) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const auto answer = live.post(echo_calls, R"({"calls": [{"json": [1, 2]}, {"input": "text"}, {}]})");
  ASSERT_EQ(answer.status, 202) << answer.body;
  const auto json = json_of(answer);
  EXPECT_EQ(json.at("accepted").to_number<int>(), 3);
  const std::vector<std::string> outputs = {"[1, 2]", "text", ""};
  const auto& calls = json.at("calls").as_array();
  ASSERT_EQ(calls.size(), outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string id(calls[i].at("id").as_string());
    EXPECT_FALSE(calls[i].at("existed").as_bool());
    EXPECT_TRUE(has(live.get("/v1/calls/" + id + "?wait=30s"), "COMPLETED"));
    EXPECT_EQ(live.get("/v1/calls/" + id + "/result").body, outputs[i]);
  }
}

TEST(BatchCalls, ThatAreLargeAreReadAsSmallOnesAre) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const std::string input = "\"" + std::string(400'000, 'x') + "\"";
  const auto answer = live.post(echo_calls, R"({"calls": [{"json": )" + input + "}]}");
  ASSERT_EQ(answer.status, 202) << answer.body;
  const std::string id(json_of(answer).at("calls").at(0).at("id").as_string());
  EXPECT_TRUE(has(live.get("/v1/calls/" + id + "?wait=30s"), "COMPLETED"));
  EXPECT_EQ(live.get("/v1/calls/" + id + "/result").body, input);
  EXPECT_EQ(live.post(echo_calls, "{" + std::string(400'000, ' ')).status, 400);
}

TEST(BatchCalls, OneKeyIsOneCall) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const std::string batch = R"({"calls": [{"input": "a", "idempotency_key": "k"}]})";
  const auto first = json_of(live.post(echo_calls, batch)).at("calls").at(0);
  const auto again = json_of(live.post(echo_calls, batch)).at("calls").at(0);
  EXPECT_EQ(again.at("id"), first.at("id"));
  EXPECT_TRUE(again.at("existed").as_bool());
}

TEST(BatchCalls, WhatIsNotTakenIsToldInItsPlace) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const auto answer = live.post(
      echo_calls,
      R"({"calls": [{"input": "a", "idempotency_key": "k"}, {"input": "b", "idempotency_key": "k"}, {}]})");
  EXPECT_EQ(answer.status, 207) << answer.body;
  const auto json = json_of(answer);
  EXPECT_EQ(json.at("accepted").to_number<int>(), 2);
  EXPECT_TRUE(json.at("calls").at(0).as_object().contains("id"));
  EXPECT_EQ(json.at("calls").at(1).at("error").at("code").as_string(), "conflict");
  EXPECT_TRUE(json.at("calls").at(2).as_object().contains("id"));
}

TEST(BatchCalls, OfWhichOneIsMalformedNothingIsTaken) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  const auto answer = live.post(echo_calls, R"({"calls": [{"input": "a"}, {"inptu": "b"}]})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_TRUE(has(answer, "call 1"));
  EXPECT_FALSE(has(live.get("/v1/calls?durable=true"), "demo/echo"));
  EXPECT_EQ(live.post("/v1/functions/demo/nothing/calls", R"({"calls": []})").status, 404);
  EXPECT_EQ(live.post(std::string(echo_calls) + "?wait=1s", R"({"calls": []})").status, 400);
  EXPECT_EQ(live.get(echo_calls).status, 405);
}

}  // namespace
}  // namespace canopy::api
