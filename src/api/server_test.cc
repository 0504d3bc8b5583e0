// The server as a whole: its pages, its metrics, its limits, its end.

#include "api/server.h"

#include <atomic>
#include <future>
#include <utility>

#include <gtest/gtest.h>
#include <unistd.h>

#include "api/live_answers.h"
#include "api/live_server.h"
#include "api/nodes.h"
#include "wire/json_read.h"

namespace canopy::api {
namespace {

TEST(Server, IsHealthyAndReady) {
  const LiveServer live;
  EXPECT_EQ(live.get("/healthz").status, 200);
  EXPECT_EQ(live.get("/readyz").status, 200);
  EXPECT_TRUE(has(live.get("/readyz"), "ready"));
  EXPECT_EQ(live.server->core_count(), 2U);
  EXPECT_EQ(live.server->function_count(), 0U);
  EXPECT_EQ(live.server->url(), "http://127.0.0.1:" + std::to_string(live.server->port()));
}

TEST(Server, AnswersUnknownPathsAndWrongMethods) {
  const LiveServer live;
  for (const char* const path :
       {"/nothing", "/v1", "/v1/users/a/b", "/v1/functions/a/b/c", "/function", "/v1/nothing"}) {
    const auto response = live.get(path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_TRUE(has(response, R"("code":"not_found")")) << path;
  }
  const auto wrong = live.post("/v1/functions/demo/hello");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("Allow"), "GET, HEAD, PUT, DELETE, OPTIONS");
  EXPECT_EQ(live.request("DELETE", "/metrics").status, 405);
  EXPECT_EQ(live.request("OPTIONS", "/v1/calls").status, 204);
  EXPECT_EQ(live.request("OPTIONS", "/v1/calls").header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(live.post("/async-function/demo/hello").status, 404);
}

TEST(Server, ShowsPagesThatNeedNothingFromElsewhere) {
  const LiveServer live;
  for (const char* const path : {"/", "/docs"}) {
    const auto page = live.get(path);
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
    EXPECT_NE(page.header("Content-Security-Policy"), "");
    EXPECT_FALSE(has(page, "src=\"http")) << path;
    EXPECT_FALSE(has(page, "//cdn")) << path;
  }
  EXPECT_TRUE(has(live.get("/"), "/docs"));
  EXPECT_TRUE(has(live.get("/"), "1.2.3-test"));
}

TEST(Server, DescribesItselfAndEveryReferenceLeadsSomewhere) {
  const LiveServer live;
  const auto response = live.get("/openapi.json");
  EXPECT_EQ(response.header("Content-Type"), "application/json");
  const auto json = wire::parse_json(response.body);
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_EQ(json->at("openapi").as_string(), "3.1.0");
  EXPECT_EQ(json->at("info").at("version").as_string(), "1.2.3-test");
  std::size_t count = 0;
  for (std::size_t at = response.body.find("\"$ref\":\"#"); at != std::string::npos;
       at = response.body.find("\"$ref\":\"#", at + 1)) {
    const std::size_t begin = at + 9;
    const std::string pointer = response.body.substr(begin, response.body.find('"', begin) - begin);
    boost::system::error_code missing;
    EXPECT_NE(json->find_pointer(pointer, missing), nullptr) << pointer;
    ++count;
  }
  EXPECT_GT(count, 50U);
}

TEST(Server, IsANodeItself) {
  const LiveServer live;
  const auto json = wire::parse_json(live.get("/v1/nodes").body);
  ASSERT_TRUE(json.has_value());
  const auto& nodes = json->at("nodes").as_array();
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(nodes[0].at("name").as_string(), "gateway");
  EXPECT_EQ(nodes[0].at("state").as_string(), "ready");
  EXPECT_EQ(nodes[0].at("pid").as_int64(), getpid());
  EXPECT_GT(nodes[0].at("resident_bytes").as_int64(), 0);
}

TEST(Server, CountsWhatItDoes) {
  const LiveServer live;
  live.deploy("demo/echo", "echo");
  live.deploy("demo/fail", "fail");
  for (int i = 0; i < 3; ++i) live.post("/function/demo/echo", "12345");
  live.post("/function/demo/fail");
  const auto metrics = live.get("/metrics");
  EXPECT_EQ(metrics.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* const line :
       {"canopy_calls_total{function=\"demo/echo\",outcome=\"ok\"} 3\n",
        "canopy_calls_total{function=\"demo/fail\",outcome=\"function_failed\"} 1\n",
        "canopy_call_run_seconds_bucket{function=\"demo/echo\",le=\"+Inf\"} 3\n",
        "canopy_call_run_seconds_count{function=\"demo/echo\"} 3\n", "canopy_call_queue_seconds_count 4\n",
        "# TYPE canopy_call_run_seconds histogram\n", "canopy_input_bytes_total{function=\"demo/echo\"} 15\n",
        "canopy_output_bytes_total{function=\"demo/echo\"} 15\n", "canopy_functions 2\n",
        "canopy_records 4\n", "canopy_instances{core=\"0\"} 0\n", "canopy_connections{core=\"1\"} ",
        "canopy_requests_total{core=\"0\"} ", "canopy_templates_resident_bytes{core=\"0\"} ",
        "canopy_build_info{version=\"1.2.3-test\"} 1\n", "canopy_uptime_seconds ",
        "canopy_cold_starts_total{function=\"demo/echo\"} "}) {
    EXPECT_TRUE(has(metrics, line)) << line << "\n" << metrics.body;
  }
}

TEST(Server, LetsPagesFromElsewhereInWhereThatIsAllowed) {
  const LiveServer closed;
  EXPECT_EQ(closed.get("/healthz").header("Access-Control-Allow-Origin"), "");
  const LiveServer live([](Options& options) { options.cors_origin = "https://example.org"; });
  live.deploy("demo/echo", "echo");
  const auto call = live.post("/function/demo/echo", "x", {{"Origin", "https://example.org"}});
  EXPECT_EQ(call.header("Access-Control-Allow-Origin"), "https://example.org");
  EXPECT_EQ(call.header("Vary"), "Origin");
  EXPECT_NE(call.header("Access-Control-Expose-Headers").find("X-Call-Id"), std::string_view::npos);
  const auto preflight = live.request("OPTIONS", "/function/demo/echo", "",
                                      {{"Origin", "https://example.org"},
                                       {"Access-Control-Request-Method", "POST"},
                                       {"Access-Control-Request-Headers", "x-mine"}});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Headers"), "x-mine");
  EXPECT_NE(preflight.header("Access-Control-Allow-Methods").find("PUT"), std::string_view::npos);
}

TEST(Server, SaysWhichWallsStandAroundIt) {
  const LiveServer live;
  const auto reply = live.get("/debug/state");
  EXPECT_TRUE(has(reply, geteuid() == 0 ? R"("walls":{"user":"root",)" : R"("walls":{"user":")"))
      << reply.body;
  // A test has given nothing up.
  EXPECT_TRUE(has(reply, R"("missing":[")")) << reply.body;
}

TEST(Server, AWorkerOfAnotherMachineTellsOfItsWalls) {
  const Node node{.name = "far",
                  .last_end = {},
                  .address = "10.0.0.7:1",
                  .walls = std::make_shared<const Walls>(Walls{.user = "canopy",
                                                               .no_new_privileges = true,
                                                               .filter = "allow-list of 250 calls",
                                                               .memory_max_bytes = 4096,
                                                               .no_group = "why there is none"})};
  const std::string json = node_json(node);
  EXPECT_NE(
      json.find(R"("memory":{"held":true,"limit":4096},"tasks":{"held":false,"reason":"why there is none"})"),
      std::string::npos)
      << json;
  EXPECT_EQ(node_json(Node{.name = "near", .last_end = {}}).find("walls"), std::string::npos);
}

TEST(Server, FinishesWhatRunsWhenItDrains) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  auto call = std::async(std::launch::async, [&live] { return live.post("/function/demo/wait"); });
  ASSERT_TRUE(eventually([&live] { return live.runtime->waiting_count() == 1; }));
  EXPECT_FALSE(live.server->drain(std::chrono::milliseconds(1)));
  const auto late = live.get("/healthz");
  EXPECT_EQ(late.status, 0) << late.body;  // It accepts no more.
  live.runtime->release();
  EXPECT_TRUE(live.server->drain(std::chrono::minutes(1)));
  EXPECT_EQ(call.get().body, "waited");
  live.server->stop();
}

TEST(Server, EndsWhatStillRunsWhenItStops) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/wait", "wait").status, 201);
  auto call = std::async(std::launch::async, [&live] { return live.post("/function/demo/wait"); });
  ASSERT_TRUE(eventually([&live] { return live.runtime->waiting_count() == 1; }));
  live.server->stop();
  live.server->stop();
  EXPECT_NE(call.get().status, 200);
  EXPECT_EQ(live.runtime->waiting_count(), 0U);
}

// It may take minutes, and nobody waits for it any more.
TEST(Server, EndsWhatIsBeingMadeWhenItStops) {
  const LiveServer live;
  live.runtime->hold_prepare(true);
  auto deploys = std::async(std::launch::async, [&live] { return live.deploy("demo/wait", "wait"); });
  ASSERT_TRUE(eventually([&live] { return live.runtime->prepare_count() == 1; }));
  live.server->stop();
  EXPECT_NE(deploys.get().status, 201);
}

TEST(Server, EndsStreamsWhenItDrains) {
  const LiveServer live;
  auto events = std::async(std::launch::async, [&live] { return live.get("/v1/events"); });
  ASSERT_TRUE(eventually([&live] { return has(live.get("/debug/state"), "\"followers\":1"); }));
  EXPECT_TRUE(live.server->drain(std::chrono::minutes(1)));
  EXPECT_EQ(events.get().status, 200);
}

TEST(Server, RefusesAnAddressThatIsTakenOrNone) {
  const LiveServer live;
  const auto start = [](const std::string& listen) {
    ServerParts parts;
    parts.options.listen = listen;
    parts.catalog = store::make_memory_catalog(system_clock());
    parts.make_runtimes = [](const RuntimeParts&) -> Result<Runtimes> { return Runtimes(); };
    return Server::start(std::move(parts), system_clock());
  };
  const auto taken = start("127.0.0.1:" + std::to_string(live.server->port()));
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().code, Code::unavailable);
  const auto none = start("nowhere");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, Code::invalid);
}

TEST(Server, SaysWhatItsRuntimesSay) {
  ServerParts parts;
  parts.options.listen = "127.0.0.1:0";
  parts.catalog = store::make_memory_catalog(system_clock());
  parts.make_runtimes = [](const RuntimeParts&) -> Result<Runtimes> {
    return fail(Code::unavailable, "no engine");
  };
  const auto started = Server::start(std::move(parts), system_clock());
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().message, "no engine");
}

// Workers that joined, which ask for code to the last moment.
class AskingCluster final : public scale::Cluster {
 public:
  AskingCluster(net::BlockingPool& disk, std::atomic<int>& answered) : disk_(disk), answered_(answered) {}
  ~AskingCluster() override { stop(); }
  AskingCluster(const AskingCluster&) = delete;
  AskingCluster& operator=(const AskingCluster&) = delete;

  // One below a balancer, which says that its process has the number of ours.
  std::vector<Node> nodes() const override {
    return {{.name = "leaf/far", .process = getpid(), .last_end = {}}};
  }
  std::size_t ready_count() const override { return 0; }
  void listen(Listener /*listener*/) override {}
  policy::DispatchRules rules() const override { return {}; }
  void set_rules(policy::DispatchRules /*rules*/) override {}
  std::string address() const override { return "127.0.0.1:1"; }
  void stop() override {
    if (std::exchange(stopped_, true)) return;
    disk_.post([&answered = answered_] { ++answered; });
  }

 private:
  net::BlockingPool& disk_;
  std::atomic<int>& answered_;
  bool stopped_ = false;
};

TEST(Server, AnswersItsWorkersUntilTheyAreHeardNoMore) {
  const LiveServer other;
  const std::string taken = "127.0.0.1:" + std::to_string(other.server->port());
  for (const std::string& listen : {std::string("127.0.0.1:0"), taken}) {
    std::atomic<int> answered = 0;
    ServerParts parts;
    parts.options.listen = listen;
    parts.catalog = store::make_memory_catalog(system_clock());
    parts.make_runtimes = [&answered](const RuntimeParts& given) -> Result<Runtimes> {
      given.cluster = std::make_shared<AskingCluster>(given.disk, answered);
      return Runtimes();
    };
    auto started = Server::start(std::move(parts), system_clock());
    EXPECT_EQ(started.has_value(), listen != taken);
    if (started) (*started)->stop();
    started = fail(Code::unavailable, "it is gone");
    EXPECT_EQ(answered, 1) << listen;
  }
}

TEST(Server, LooksAtNoProcessHereForANodeOfAnotherMachine) {
  std::atomic<int> answered = 0;
  ServerParts parts;
  parts.options.listen = "127.0.0.1:0";
  parts.catalog = store::make_memory_catalog(system_clock());
  parts.make_runtimes = [&answered](const RuntimeParts& given) -> Result<Runtimes> {
    given.cluster = std::make_shared<AskingCluster>(given.disk, answered);
    return Runtimes();
  };
  const auto started = Server::start(std::move(parts), system_clock());
  ASSERT_TRUE(started) << started.error().message;
  net::HttpClientRequest request;
  request.url = (*started)->url();
  request.target = "/debug/state";
  const auto reply = net::send(request);
  ASSERT_TRUE(reply) << reply.error().message;
  const std::size_t workers = reply->body.find(R"("workers":[)");
  ASSERT_NE(reply->body.find("leaf/far", workers), std::string::npos) << reply->body;
  EXPECT_EQ(reply->body.find("walls", workers), std::string::npos) << reply->body;
}

// As another server with the same store would.
void deploy_beside(store::Catalog& catalog, const std::string& runtime) {
  Function function;
  function.name = {.space = "demo", .name = runtime + "-one"};
  function.digest = *catalog.put_code("hello");
  function.runtime = runtime;
  ASSERT_TRUE(catalog.put(function));
}

TEST(Server, MakesTheInterpreterReadyBeforeTheFirstCallNeedsIt) {
  const auto add = [](exec::FakeRuntime& js) { js.add("hello", {.begin = {}, .end = {}}); };
  const auto equip = [](ServerParts& parts) { deploy_beside(*parts.catalog, "js"); };
  const LiveServer started({}, {.equip = equip, .add_functions = add});
  EXPECT_TRUE(eventually([&] { return started.js->prepare_count() == 1; }));

  const LiveServer told({}, {.equip = {}, .add_functions = add});
  deploy_beside(*told.catalog, "wasm");
  deploy_beside(*told.catalog, "js");
  EXPECT_TRUE(eventually([&] { return told.js->prepare_count() == 1; }));
  EXPECT_EQ(told.runtime->prepare_count(), 0U);
}

TEST(Server, KeepsWhatWasDeployedInItsFolder) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("canopy-server-test-" + to_text(IdSource().next()));
  const auto start = [&folder] {
    ServerParts parts;
    parts.options.listen = "127.0.0.1:0";
    parts.options.data = folder;
    parts.make_runtimes = [](const RuntimeParts& given) -> Result<Runtimes> {
      store::Catalog& from = given.catalog;
      auto fake = std::make_unique<exec::FakeRuntime>(
          [&from](std::string_view digest) { return from.code_path(digest); });
      fake->add("echo", {.begin = {}, .end = [](Call& call, Reply& reply) { reply.output = call.input; }});
      Runtimes runtimes;
      runtimes.emplace("wasm", std::move(fake));
      return runtimes;
    };
    return Server::start(std::move(parts), system_clock());
  };
  const auto send = [](const Server& server, std::string method, std::string target, std::string body) {
    net::HttpClientRequest request;
    request.url = server.url();
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    request.headers = {{"Content-Type", "application/wasm"}};
    const auto response = net::send(request);
    return response ? response->body : response.error().message;
  };
  {
    const auto server = start();
    ASSERT_TRUE(server.has_value()) << server.error().message;
    send(**server, "PUT", "/v1/functions/demo/echo", "echo");
    const auto second = start();
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, Code::conflict);
  }
  {
    const auto server = start();
    ASSERT_TRUE(server.has_value()) << server.error().message;
    EXPECT_EQ((*server)->function_count(), 1U);
    EXPECT_EQ(send(**server, "POST", "/function/demo/echo", "still here"), "still here");
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace canopy::api
