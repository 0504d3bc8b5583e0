// leaf.Leaf and lb.LB, message by message, against a server whose functions are C++ lambdas. Cases that stand
// for one of HyperFaaS's own tests, or for a fault of it, have its number there. What real clients of gRPC
// see is in tests/e2e/hyperfaas.py.

#include <algorithm>
#include <cstdint>

#include <gtest/gtest.h>

#include "base/uuid.h"
#include "hyperfaas/live_hyperfaas.h"

namespace canopy::hyperfaas {
namespace {

using wire::GrpcStatus;

std::int64_t number(const GrpcAnswer& answer, const std::string& trailer) {
  const auto at = answer.trailers.find(trailer);
  return at == answer.trailers.end() || at->second.empty() ? -1 : std::stoll(at->second);
}

TEST(Leaf, Case1CreatesAndCallsWithAllSixTrailers) {
  const LiveHyperfaas live;
  ASSERT_EQ(live.deploy("hyperfaas/echo", "echo").status, 201);
  const std::string id = live.create(
      "hyperfaas-echo:latest", {.memory_bytes = 268435456, .cpu_period_us = 100000, .cpu_quota_us = 50000});
  ASSERT_TRUE(is_uuid_text(id)) << id;
  const GrpcAnswer answer = live.call(id, "some data");
  EXPECT_TRUE(answer.is_ok()) << answer.words;
  EXPECT_EQ(data_of(answer), "some data");
  const std::int64_t got = number(answer, "leafgotrequesttimestamp");
  const std::int64_t scheduled = number(answer, "leafscheduledcalltimestamp");
  const std::int64_t queued = number(answer, "callqueuedtimestamp");
  const std::int64_t response = number(answer, "gotresponsetimestamp");
  EXPECT_GT(got, 1'500'000'000'000'000'000);
  EXPECT_LE(got, scheduled);
  EXPECT_LE(scheduled, queued);
  EXPECT_LE(queued, response);
  EXPECT_EQ(number(answer, "functionprocessingtime"), response - queued);
  const std::string instance = answer.trailers.at("instanceid");
  EXPECT_EQ(instance.size(), 12U);
  EXPECT_EQ(instance.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(answer.http_status, 200);
  EXPECT_EQ(answer.metadata.at("content-type"), "application/grpc");
}

TEST(Leaf, TakesDataOfAnySizeAsItIs) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  const std::string id = live.create("hyperfaas-echo");
  std::string large;
  for (int i = 0; i < 3'000'000; ++i) large += static_cast<char>(i * 7);
  for (const std::string& data : {std::string(), std::string("\0\xff", 2), large}) {
    const GrpcAnswer answer = live.call(id, data);
    EXPECT_TRUE(answer.is_ok()) << answer.words;
    EXPECT_TRUE(data_of(answer) == data) << data_of(answer).size() << " bytes in place of " << data.size();
  }
}

TEST(Leaf, Case2WhatIsNotSaidHasADefaultAndNothingCrashes) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  // No config at all; no cpu; no function; nothing.
  EXPECT_EQ(data_of(live.call(live.create("hyperfaas-echo:latest"), "a")), "a");
  EXPECT_EQ(data_of(live.call(live.create("hyperfaas-echo:latest", {.memory_bytes = 6'000'000}), "b")), "b");
  EXPECT_EQ(live.call("").status, GrpcStatus::invalid_argument);
  const std::string empty = wire::grpc_prefix(0);
  EXPECT_EQ(live.client().call("/leaf.Leaf/ScheduleCall", empty).status, GrpcStatus::invalid_argument);
  EXPECT_EQ(live.client().call("/leaf.Leaf/CreateFunction", empty).status, GrpcStatus::invalid_argument);
  for (const wire::LeafConfig& odd :
       {wire::LeafConfig{.memory_bytes = -1}, wire::LeafConfig{.cpu_period_us = -5},
        wire::LeafConfig{.idle_seconds = -1}, wire::LeafConfig{.max_concurrency = -1}}) {
    EXPECT_EQ(live.create("hyperfaas-echo", odd), "");
  }
  EXPECT_EQ(live.create("no/ tag"), "");
  EXPECT_EQ(live.create(std::string(2000, 'x')), "");
}

TEST(Leaf, Case3AnUnknownFunctionIsNotFound) {
  const LiveHyperfaas live;
  for (const std::string id : {"0f8fad5b-d9cb-469f-a165-70867728950e", "nonsense", "../x"}) {
    const GrpcAnswer answer = live.call(id);
    EXPECT_EQ(answer.status, GrpcStatus::not_found);
    EXPECT_EQ(answer.words, "function id not found");
  }
}

TEST(Leaf, Case3AnUnknownImageFailsCallsUntilItIsThere) {
  const LiveHyperfaas live;
  const std::string id = live.create("hyperfaas-late:latest");
  ASSERT_NE(id, "");
  for (int i = 0; i < 20; ++i) {
    const GrpcAnswer answer = live.call(id, "x");
    EXPECT_EQ(answer.status, GrpcStatus::not_found);
    EXPECT_NE(answer.words.find("hyperfaas-late:latest"), std::string::npos) << answer.words;
  }
  live.deploy("hyperfaas/late", "echo");
  EXPECT_EQ(data_of(live.call(id, "now")), "now");
}

TEST(Leaf, ANewImageIsTakenByTheNextCall) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/f", "echo");
  const std::string id = live.create("hyperfaas-f");
  EXPECT_EQ(data_of(live.call(id, "old")), "old");
  live.deploy("hyperfaas/f", "show");
  EXPECT_TRUE(data_of(live.call(id, "new")).starts_with("POST /?")) << "it shows how it was called";
  // What was started from an image that is gone goes on.
  live.request("DELETE", "/v1/functions/hyperfaas/f");
  EXPECT_TRUE(data_of(live.call(id, "new")).starts_with("POST /?"));
}

TEST(Leaf, Case3ADeadlineEndsTheCallAndItsWork) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/wait", "wait");
  const std::string id = live.create("hyperfaas-wait");
  const GrpcAnswer answer = live.call(id, "", {{"grpc-timeout", "20m"}});
  EXPECT_EQ(answer.status, GrpcStatus::deadline_exceeded);
  EXPECT_EQ(answer.trailers.count("callqueuedtimestamp"), 1U);
  EXPECT_TRUE(api::eventually([&live] { return live.runtime->waiting_count() == 0; }));
  const GrpcAnswer odd = live.call(id, "", {{"grpc-timeout", "soon"}});
  EXPECT_EQ(odd.status, GrpcStatus::invalid_argument);
  EXPECT_NE(odd.words.find("'soon'"), std::string::npos) << odd.words;
}

TEST(Leaf, AClientThatCancelsEndsTheWork) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/wait", "wait");
  const std::string id = live.create("hyperfaas-wait");
  GrpcClient client = live.client();
  const auto call =
      client.begin("/leaf.Leaf/ScheduleCall",
                   wire::schedule_call_request({.function_id = id, .data = ""}, wire::IdForm::message));
  ASSERT_TRUE(api::eventually([&live] { return live.runtime->waiting_count() == 1; }));
  client.cancel(call);
  EXPECT_TRUE(api::eventually([&live] { return live.runtime->waiting_count() == 0; }));
}

TEST(Leaf, Case4ManyFirstCallsAtOnceAllSucceed) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  const std::string id = live.create("hyperfaas-echo");
  GrpcClient client = live.client();
  std::vector<std::int32_t> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(client.begin(
        "/leaf.Leaf/ScheduleCall",
        wire::schedule_call_request({.function_id = id, .data = std::to_string(i)}, wire::IdForm::message)));
  }
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(data_of(client.wait(calls.at(static_cast<std::size_t>(i)))), std::to_string(i));
}

TEST(Leaf, Case4ManyFirstCallsOfAnImageThatCameLateAllSucceed) {
  const LiveHyperfaas live;
  const std::string id = live.create("hyperfaas-late");
  live.deploy("hyperfaas/late", "echo");
  GrpcClient client = live.client();
  std::vector<std::int32_t> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(
        client.begin("/leaf.Leaf/ScheduleCall",
                     wire::schedule_call_request({.function_id = id, .data = "x"}, wire::IdForm::message)));
  }
  for (const std::int32_t call : calls) EXPECT_EQ(data_of(client.wait(call)), "x");
}

TEST(Leaf, FailuresOfFunctionsHaveAStatusAndASentence) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/fail", "fail");
  live.deploy("hyperfaas/trap", "trap");
  live.deploy("hyperfaas/teapot", "teapot");
  const GrpcAnswer no = live.call(live.create("hyperfaas-teapot"));
  EXPECT_EQ(no.status, GrpcStatus::unknown) << "its status is 418";
  EXPECT_EQ(no.words, "short and stout");
  const GrpcAnswer failed = live.call(live.create("hyperfaas-fail"));
  EXPECT_EQ(failed.status, GrpcStatus::unknown);
  EXPECT_EQ(failed.words, "the function ended with code 3");
  EXPECT_EQ(failed.trailers.at("instanceid").size(), 12U);
  const GrpcAnswer died = live.call(live.create("hyperfaas-trap"));
  EXPECT_EQ(died.status, GrpcStatus::internal);
  EXPECT_EQ(died.words, "unreachable at main+0x12");
}

TEST(Leaf, Case11SpeaksTheNewerDialect) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  const auto created = live.client().call(
      "/lb.LB/CreateFunction", wire::create_function_request({.image_tag = "hyperfaas-echo", .config = {}}));
  ASSERT_TRUE(created.is_ok()) << created.words;
  // A field 1 that is the text itself.
  EXPECT_EQ(created.message().size(), 2U + 36U);
  const std::string id = created.message().substr(2);
  ASSERT_TRUE(is_uuid_text(id)) << id;
  for (const std::string path : {"/lb.LB/ScheduleCall", "/leaf.Leaf/ScheduleCall"}) {
    for (const auto form : {wire::IdForm::text, wire::IdForm::message}) {
      const auto answer =
          live.client().call(path, wire::schedule_call_request({.function_id = id, .data = "d"}, form));
      EXPECT_EQ(data_of(answer), "d");
      EXPECT_EQ(answer.trailers.count("functionprocessingtime"), 1U);
    }
  }
}

// Who reads the older reply as the newer one has a text with two bytes before the id, and sends it back so.
TEST(Leaf, AnIdThatWasReadInTheOtherDialectStillLeadsBack) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  const std::string id = live.create("hyperfaas-echo");
  std::string as_text = "\x0a\x24";
  as_text += id;
  const auto answer = live.client().call(
      "/leaf.Leaf/ScheduleCall",
      wire::schedule_call_request({.function_id = as_text, .data = "d"}, wire::IdForm::text));
  EXPECT_EQ(data_of(answer), "d");
}

TEST(Leaf, OtherTagsFindOtherFunctions) {
  const LiveHyperfaas live;
  live.deploy("demo/web", "echo");
  live.deploy("default/own", "echo");
  for (const std::string tag :
       {"demo/web:2", "registry.example:5000/demo/web@sha256:00", "own", "own:latest"}) {
    EXPECT_EQ(data_of(live.call(live.create(tag), tag)), tag);
  }
}

TEST(Leaf, Case10StateTellsOfInstancesThatComeAndGo) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  const std::string before = live.create("hyperfaas-echo", {.idle_seconds = 1});
  const std::string after = live.create("hyperfaas-echo", {.idle_seconds = 1});
  live.call(before);
  GrpcClient client = live.client();
  const auto stream = client.begin("/leaf.Leaf/State", wire::grpc_prefix(0));
  const auto seen = [&client, stream](const std::string& id, bool has) {
    const auto messages = client.messages(stream);
    return std::ranges::any_of(messages, [&](const std::string& message) {
      const auto state = wire::read_state_reply(message);
      return state && state->function_id == id && state->has_instances == has;
    });
  };
  EXPECT_TRUE(client.until([&] { return seen(before, true); })) << "what is there already";
  EXPECT_FALSE(seen(after, true));
  live.call(after);
  EXPECT_TRUE(client.until([&] { return seen(after, true); }));
  EXPECT_TRUE(client.until([&] { return seen(before, false) && seen(after, false); }));
  EXPECT_FALSE(client.has_ended(stream));
}

TEST(Leaf, StreamsEndWithTheServer) {
  LiveHyperfaas live;
  GrpcClient client = live.client();
  const auto state = client.begin("/leaf.Leaf/State", wire::grpc_prefix(0));
  const auto health = client.begin("/grpc.health.v1.Health/Watch", wire::grpc_prefix(0));
  ASSERT_TRUE(client.until([&] { return client.messages(health).size() == 1; }));
  EXPECT_EQ(wire::read_health_reply(client.messages(health).front()), wire::Health::serving);
  EXPECT_TRUE(live.server->drain(std::chrono::minutes(1)));
  EXPECT_EQ(client.wait(state).status, GrpcStatus::unavailable);
  const GrpcAnswer last = client.wait(health);
  EXPECT_EQ(last.status, GrpcStatus::unavailable);
  EXPECT_EQ(wire::read_health_reply(last.messages.back()), wire::Health::not_serving);
}

}  // namespace
}  // namespace canopy::hyperfaas
