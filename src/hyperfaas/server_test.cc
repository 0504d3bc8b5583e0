// What is refused and to whom; functions by :authority; health; the database.

#include "hyperfaas/server.h"

#include <gtest/gtest.h>

#include "base/uuid.h"
#include "hyperfaas/live_hyperfaas.h"

namespace canopy::hyperfaas {
namespace {

using wire::GrpcStatus;

const std::string schedule = "/leaf.Leaf/ScheduleCall";
const std::string nothing = wire::grpc_prefix(0);

std::string call_message(const std::string& id, const std::string& data = "") {
  return wire::schedule_call_request({.function_id = id, .data = data}, wire::IdForm::message);
}

TEST(HyperfaasServer, IsOffUnlessSwitchedOn) {
  const LiveHyperfaas live([](Options& options) {
    options.hyperfaas = "off";
    options.hyperfaas_database.clear();
  });
  const GrpcAnswer answer = live.client().call(schedule, nothing);
  EXPECT_FALSE(answer.is_ok()) << "it is a path of our own API then, and none that is there";
}

TEST(HyperfaasServer, ListensWhereItIsToldBesides) {
  const LiveHyperfaas live([](Options& options) { options.hyperfaas_listen = "127.0.0.1:0,127.0.0.1:0"; });
  live.deploy("hyperfaas/echo", "echo");
  const std::string id = live.create("hyperfaas-echo");
  ASSERT_EQ(live.server->other_urls().size(), 3U) << "two of them, and the database";
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string& url = live.server->other_urls().at(i);
    GrpcClient client(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    EXPECT_EQ(data_of(client.call(schedule, call_message(id, "d"))), "d");
  }
}

TEST(HyperfaasServer, AMethodThatIsNotThereIsUnimplemented) {
  const LiveHyperfaas live;
  for (const std::string path : {"/leaf.Leaf/Nothing", "/no.Such/Service", "/", "/leaf.Leaf/", "/leaf.Leaf",
                                 "/leaf.Leaf/ScheduleCall/", "/leaf.leaf/ScheduleCall", "/v1/functions"}) {
    const GrpcAnswer answer = live.client().call(path, nothing);
    EXPECT_EQ(answer.status, GrpcStatus::unimplemented) << path;
    EXPECT_NE(answer.words.find(path), std::string::npos) << answer.words;
  }
}

TEST(HyperfaasServer, OddMessagesAreRefusedAndTheNextOneIsServed) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  const std::string id = live.create("hyperfaas-echo");
  GrpcClient client = live.client();
  const std::string good = call_message(id, "d");
  const std::vector<std::pair<std::string, GrpcStatus>> odd = {
      {"", GrpcStatus::internal},
      {good.substr(0, 3), GrpcStatus::internal},
      {good.substr(0, good.size() - 1), GrpcStatus::internal},
      {good + good, GrpcStatus::internal},
      {"\1" + good.substr(1), GrpcStatus::unimplemented},
      {"\7" + good.substr(1), GrpcStatus::internal},
      {std::string("\0\xff\xff\xff\xff", 5) + good, GrpcStatus::resource_exhausted},
      {wire::grpc_prefix(4) + "\xff\xff\xff\xff", GrpcStatus::invalid_argument},
  };
  for (const std::string& path :
       {schedule, std::string("/leaf.Leaf/CreateFunction"), std::string("/leaf.Leaf/State"),
        std::string("/grpc.health.v1.Health/Check")}) {
    for (const auto& [body, status] : odd) {
      // It has no fields, so that nothing is wrong with it.
      if (path == "/leaf.Leaf/State" && status == GrpcStatus::invalid_argument) continue;
      const GrpcAnswer answer = client.call(path, body);
      EXPECT_EQ(answer.status, status) << path << ": " << answer.words;
      EXPECT_FALSE(answer.words.empty()) << path;
    }
  }
  EXPECT_EQ(data_of(client.call(schedule, good)), "d");
}

TEST(HyperfaasServer, AMessagePastTheLimitIsRefusedInWordsOfGrpc) {
  const LiveHyperfaas live([](Options& options) { options.body_bytes_max = 1000; });
  live.deploy("hyperfaas/echo", "echo");
  const std::string id = live.create("hyperfaas-echo");
  const GrpcAnswer answer = live.call(id, std::string(100'000, 'x'));
  EXPECT_EQ(answer.status, GrpcStatus::resource_exhausted);
  EXPECT_NE(answer.words.find("1000B"), std::string::npos) << answer.words;
  EXPECT_EQ(data_of(live.call(id, std::string(900, 'x'))).size(), 900U);
}

TEST(HyperfaasServer, OtherThanGrpcIsNotForIt) {
  const LiveHyperfaas live;
  EXPECT_EQ(live.get("/healthz").status, 200);
  EXPECT_EQ(live.post(schedule, "x").status, 404) << "it is a path of our own API then";
  EXPECT_EQ(live.request("GET", schedule, "", {{"Content-Type", "application/grpc"}}).status, 415);
}

TEST(HyperfaasServer, AsksForAKeyWhereOthersDo) {
  const LiveHyperfaas live([](Options& options) { options.auth = "on"; });
  const api::LiveServer::Headers admin = {{"Authorization", "Bearer " + live.server->new_admin_key()}};
  const GrpcClient::Headers admin_key = {{"authorization", "Bearer " + live.server->new_admin_key()}};
  live.request("PUT", "/v1/functions/hyperfaas/echo", "echo",
               {{"Content-Type", "application/wasm"}, admin.front()});
  const GrpcAnswer refused = live.call("x");
  EXPECT_EQ(refused.status, GrpcStatus::unauthenticated);
  EXPECT_NE(refused.words.find("a key is needed here"), std::string::npos) << refused.words;
  const GrpcAnswer large = live.call("x", std::string(100'000, 'x'));
  EXPECT_EQ(large.status, GrpcStatus::unauthenticated) << "its body is not read: " << large.words;
  const std::string id = live.create("hyperfaas-echo", {}, admin_key);
  ASSERT_NE(id, "");
  EXPECT_EQ(data_of(live.call(id, "d", admin_key)), "d");

  const auto key_of = [&live, &admin](const std::string& user) -> GrpcClient::Headers {
    const auto made = live.post("/v1/users", user, admin);
    const std::size_t at = made.body.find("cnp_");
    if (at == std::string::npos) return {};
    return {{"authorization", "Bearer " + made.body.substr(at, made.body.find('"', at) - at)}};
  };
  const auto bob = key_of(R"({"name":"bob","namespaces":["bobs"]})");
  const auto eve = key_of(R"({"name":"eve","namespaces":["eves"],"role":"caller"})");
  const GrpcAnswer hidden = live.call(id, "d", bob);
  EXPECT_EQ(hidden.status, GrpcStatus::not_found) << "others' functions are not there";
  EXPECT_EQ(hidden.words, "function id not found");
  EXPECT_EQ(live.create("hyperfaas-echo", {}, eve), "") << "a caller creates nothing";
  const std::string own = live.create("hyperfaas-echo", {}, bob);
  ASSERT_NE(own, "");
  EXPECT_EQ(live.call(own, "d", bob).status, GrpcStatus::not_found) << "nor does he reach the image";
  live.request("PUT", "/v1/functions/bobs/mine", "echo",
               {{"Content-Type", "application/wasm"}, {"Authorization", bob.front().value}});
  EXPECT_EQ(data_of(live.call(live.create("bobs/mine", {}, bob), "d", bob)), "d");
}

TEST(HyperfaasServer, OnIsForEverybody) {
  const LiveHyperfaas live([](Options& options) {
    options.auth = "on";
    options.hyperfaas = "on";
  });
  const std::string id = live.create("hyperfaas-echo");
  live.request(
      "PUT", "/v1/functions/hyperfaas/echo", "echo",
      {{"Content-Type", "application/wasm"}, {"Authorization", "Bearer " + live.server->new_admin_key()}});
  EXPECT_EQ(data_of(live.call(id, std::string(100'000, 'x'))).size(), 100'000U);
}

// Who shows no key does not get by an image what nobody else's key would give.
TEST(HyperfaasServer, OnIsNotForWhatIsAUsersOwn) {
  const LiveHyperfaas live([](Options& options) {
    options.auth = "on";
    options.hyperfaas = "on";
  });
  const api::LiveServer::Headers admin = {{"Authorization", "Bearer " + live.server->new_admin_key()}};
  const auto put = [&](const std::string& name, const std::string& code) {
    return live.request("PUT", "/v1/functions/" + name, code,
                        {{"Content-Type", "application/wasm"}, admin.front()});
  };
  put("alices/own", "echo");
  put("demo/web", "echo");
  const std::string early = live.create("alices/own");
  const std::string open = live.create("demo/web");
  EXPECT_EQ(data_of(live.call(early, "d")), "d") << "it is nobody's yet";
  live.post("/v1/users", R"({"name":"alice","namespaces":["alices"]})", admin);
  const std::string id = live.create("alices/own");
  EXPECT_EQ(live.call(id, "d").status, GrpcStatus::not_found);
  EXPECT_EQ(data_of(live.call(open, "d")), "d");
  // What was made before goes on, but gets nothing new of hers.
  EXPECT_EQ(data_of(live.call(early, "d")), "d");
  live.request("PUT", "/v1/functions/alices/own?timeout=9s", "echo",
               {{"Content-Type", "application/wasm"}, admin.front()});
  EXPECT_EQ(live.call(early, "d").status, GrpcStatus::not_found);
}

TEST(HyperfaasServer, ATagIsPlainText) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  for (const std::string& version :
       {std::string("\xff"), std::string("a\nb"), std::string("a\0b", 3), std::string("a b")}) {
    EXPECT_EQ(live.create("hyperfaas-echo:" + version), "") << version;
  }
  EXPECT_NE(live.create("hyperfaas-echo:1.0_~"), "");
}

TEST(HyperfaasServer, ACreatedFunctionIsThereAfterARestartAndInTheList) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  const std::string id = live.create("hyperfaas-echo", {.memory_bytes = 128 << 20});
  const auto shown = live.get("/v1/functions/hyperfaas/" + id);
  EXPECT_EQ(shown.status, 200);
  EXPECT_NE(shown.body.find("hyperfaas-echo"), std::string::npos) << shown.body;
  const auto function = live.catalog->snapshot()->functions.at({"hyperfaas", id});
  EXPECT_EQ(function->limits.memory_bytes, 128U << 20U);
  EXPECT_EQ(function->env.at("FUNCTION_ID"), id);
}

TEST(HyperfaasServer, Case10AFunctionIsCalledByItsAuthority) {
  const LiveHyperfaas live;
  live.deploy("hyperfaas/echo", "echo");
  live.deploy("hyperfaas/show", "show");
  live.deploy("hyperfaas/teapot", "teapot");
  GrpcClient client = live.client();
  std::string body;
  wire::append_grpc_message(std::string("\x0a\x02hi\0", 5), body);
  client.authority = live.create("hyperfaas-echo") + ":50053";
  const GrpcAnswer echoed = client.call("/examples.echo.v1.Echo/Echo", body);
  EXPECT_TRUE(echoed.is_ok()) << echoed.words;
  EXPECT_EQ(echoed.message(), std::string("\x0a\x02hi\0", 5));
  client.authority = live.create("hyperfaas-show");
  const GrpcAnswer shown =
      client.call("/leaf.Leaf/ScheduleCall", body, {{"x-mine", "1"}, {"grpc-timeout", "9S"}});
  EXPECT_EQ(shown.message(),
            "POST /leaf.Leaf/ScheduleCall?\nx-mine: 1\nContent-Type: application/octet-stream\n");
  client.authority = live.create("hyperfaas-teapot");
  const GrpcAnswer refused = client.call("/a.B/C", body);
  EXPECT_EQ(refused.status, GrpcStatus::unknown);
  EXPECT_EQ(refused.words, "short and stout");
  EXPECT_EQ(refused.trailers.at("x-own"), "yes");
  client.authority = "0f8fad5b-d9cb-469f-a165-70867728950e";
  EXPECT_EQ(client.call("/a.B/C", body).status, GrpcStatus::not_found);
}

TEST(HyperfaasServer, HealthIsToldOfItsServices) {
  const LiveHyperfaas live;
  const auto check = [&live](const std::string& service) {
    std::string body;
    wire::append_grpc_message(
        service.empty() ? "" : "\x0a" + std::string(1, static_cast<char>(service.size())) + service, body);
    return live.client().call("/grpc.health.v1.Health/Check", body);
  };
  for (const std::string service : {"", "worker", "leaf", "leaf.Leaf"}) {
    EXPECT_EQ(wire::read_health_reply(check(service).message()), wire::Health::serving) << service;
  }
  EXPECT_EQ(check("nothing").status, GrpcStatus::not_found);
}

// -- the database

struct Database {
  explicit Database(const LiveHyperfaas& live) : url(live.server->other_urls().back()) {}
  net::HttpClientResponse ask(std::string method, std::string target, std::string body) const {
    net::HttpClientRequest request;
    request.url = url;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    return net::send(request).value_or(net::HttpClientResponse());
  }
  const std::string url;
};

TEST(HyperfaasDatabase, Case8AnswersAsTheirsDoes) {
  const LiveHyperfaas live;
  const Database database(live);
  const std::string posted =
      R"({"image_tag":"hyperfaas-echo:latest","config":{"mem_limit":268435456,"cpu_quota":50000,)"
      R"("cpu_period":100000,"timeout":10,"max_concurrency":500}})";
  const auto made = database.ask("POST", "/", posted);
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.header("Content-Type"), "text/plain; charset=utf-8");
  ASSERT_TRUE(made.body.starts_with(R"({"function_id":")")) << made.body;
  const std::string id = made.body.substr(16, 36);
  ASSERT_TRUE(is_uuid_text(id)) << made.body;
  for (const std::string target : {"/", "/any/path"}) {
    const auto got = database.ask("GET", target, id);
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, posted + "\n");
  }
  const auto unknown = database.ask("GET", "/", "0f8fad5b-d9cb-469f-a165-70867728950e");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body, "Not Found\n");
  for (const std::string body : {"", "{", "[]", R"({"image_tag":7})", R"({"config":{"timeout":"x"}})"}) {
    const auto bad = database.ask("POST", "/", body);
    EXPECT_EQ(bad.status, 400) << body;
    EXPECT_EQ(bad.body, "Invalid JSON\n");
  }
  const auto other = database.ask("DELETE", "/", "");
  EXPECT_EQ(other.status, 405);
  EXPECT_EQ(other.body, "Method Not Allowed\n");
}

TEST(HyperfaasDatabase, ItsFunctionsAreThoseOfTheLeaf) {
  const LiveHyperfaas live;
  const Database database(live);
  live.deploy("hyperfaas/echo", "echo");
  const auto made = database.ask("POST", "/", R"({"image_tag":"hyperfaas-echo"})");
  EXPECT_EQ(data_of(live.call(made.body.substr(16, 36), "d")), "d");
  const std::string id = live.create("hyperfaas-echo", {.memory_bytes = 64 << 20, .idle_seconds = 3});
  EXPECT_EQ(database.ask("GET", "/", id).body,
            R"({"image_tag":"hyperfaas-echo","config":{"mem_limit":67108864,"cpu_quota":0,"cpu_period":0,)"
            R"("timeout":3,"max_concurrency":0}})"
            "\n");
}

TEST(HyperfaasDatabase, AsksForAKeyWhereOthersDo) {
  const LiveHyperfaas live([](Options& options) { options.auth = "on"; });
  EXPECT_EQ(Database(live).ask("POST", "/", R"({"image_tag":"x"})").status, 401);
}

}  // namespace
}  // namespace canopy::hyperfaas
