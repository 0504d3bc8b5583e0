// Every request of FaaS Builders' API with its exact answer: from a server whose functions are C++ lambdas.
// What real Python and dill answer is in tests/e2e/builders.py.

#include "builders/server.h"

#include <gtest/gtest.h>

#include "api/live_server.h"
#include "builders/builders.h"
#include "wire/base64.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"
#include "wire/pickle.h"

namespace canopy::builders {
namespace {

using api::LiveServer;
using net::HttpClientResponse;

// Functions by their code: a pickle, as that of each registered function is.
std::string code(std::string_view word) { return wire::pickle_text(word); }
std::string text_of(std::string_view word) { return wire::write_base64(code(word)); }

void add_fakes(exec::FakeRuntime& fake, bool waits) {
  const auto echo = [](Call& call, Reply& reply) { reply.output = call.input; };
  fake.add(code("echo"), {.begin = {}, .waits = waits, .end = echo});
  const auto fails = [](Call&, Reply& reply) {
    reply.raised = wire::pickle_exception("ZeroDivisionError", "division by zero");
    reply.error =
        Error{Code::function_failed,
              "ZeroDivisionError: division by zero\nTraceback (most recent call last):\n", Stage::run};
  };
  fake.add(code("fails"), {.begin = {}, .end = fails});
  fake.add(code("odd"), {.begin = {}, .end = [](Call&, Reply& reply) { reply.output = "<odd>"; }});
  fake.add(code("waits"), {.begin = {}, .waits = true, .end = echo});
}

struct Builders : LiveServer {
  explicit Builders(const Change& change = {}, bool waits = false)
      : LiveServer(change, {.equip =
                                [](api::ServerParts& parts) {
                                  if (auto made = make_protocol(parts.options)) {
                                    parts.protocols.push_back(std::move(made));
                                  }
                                },
                            .add_functions = [waits](exec::FakeRuntime& fake) { add_fakes(fake, waits); },
                            .second = "python"}) {}

  static std::string quoted(std::string_view text) {
    std::string json;
    wire::append_json_string(text, json);
    return json;
  }
  HttpClientResponse try_to_register(std::string_view name, std::string_view payload,
                                     Headers headers = {}) const {
    return post("/register_function", R"({"name":)" + quoted(name) + R"(,"payload":)" + quoted(payload) + "}",
                std::move(headers));
  }
  // The id in {"<name>":"<id>"}.
  static std::string id_in(const HttpClientResponse& response, const std::string& name) {
    const std::string before = "{\"" + name + "\":\"";
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_TRUE(response.body.starts_with(before)) << response.body;
    EXPECT_EQ(response.body.size(), before.size() + 36 + 2) << response.body;
    return response.body.size() < before.size() + 36 ? "" : response.body.substr(before.size(), 36);
  }
  std::string add(std::string_view word, Headers headers = {}) const {
    return id_in(try_to_register("f", text_of(word), std::move(headers)), "function_id");
  }
  HttpClientResponse try_to_run(const std::string& function, std::string_view payload,
                                Headers headers = {}) const {
    return post("/execute_function",
                R"({"function_id":")" + function + R"(","payload":)" + quoted(payload) + "}",
                std::move(headers));
  }
  std::string run(const std::string& function, std::string_view payload = "gAROLg==\n") const {
    return id_in(try_to_run(function, payload), "task_id");
  }
  std::string status(const std::string& task) const {
    const std::string before = R"({"task_id":")" + task + R"(","status":")";
    const std::string body = get("/status/" + task).body;
    EXPECT_TRUE(body.starts_with(before) && body.ends_with("\"}")) << body;
    return body.size() < before.size() + 2 ? body
                                           : body.substr(before.size(), body.size() - before.size() - 2);
  }
  bool ends(const std::string& task) const {
    return api::eventually([&] {
      const std::string word = status(task);
      return word != "QUEUED" && word != "RUNNING";
    });
  }
  std::string result(const std::string& task) const { return get("/result/" + task).body; }
};

std::string result_json(const std::string& task, std::string_view status, std::string_view text) {
  return R"({"task_id":")" + task + R"(","status":")" + std::string(status) + R"(","result":)" +
         Builders::quoted(text) + "}";
}

TEST(Builders, ATaskRunsAndKeepsItsResult) {
  const Builders live;
  const auto registered = live.try_to_register("echo", text_of("echo"));
  EXPECT_EQ(registered.header("Content-Type"), "application/json");
  const std::string function = Builders::id_in(registered, "function_id");
  const std::string task = live.run(function, "gARLBC4=\n");
  EXPECT_EQ(function.at(14), '4');
  EXPECT_EQ(task.at(14), '4');
  ASSERT_TRUE(live.ends(task));
  EXPECT_EQ(live.get("/status/" + task).body, R"({"task_id":")" + task + R"(","status":"COMPLETED"})");
  EXPECT_EQ(live.result(task), result_json(task, "COMPLETED", "gARLBC4=\n"));
  EXPECT_EQ(live.result(task), result_json(task, "COMPLETED", "gARLBC4=\n")) << "as often as it is asked for";
}

TEST(Builders, ATaskThatHasNotEndedHasNoResult) {
  const Builders live([](Options& options) { options.calls_running_max = 1; }, true);
  const std::string function = live.add("echo");
  const std::string first = live.run(function);
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  const std::string second = live.run(function);
  EXPECT_EQ(live.result(first), result_json(first, "RUNNING", ""));
  EXPECT_EQ(live.result(second), result_json(second, "QUEUED", ""));
  EXPECT_EQ(live.status(first), "RUNNING");
  EXPECT_EQ(live.status(second), "QUEUED");
  live.js->release();
  ASSERT_TRUE(live.ends(first));
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  live.js->release();
  EXPECT_TRUE(live.ends(second));
}

TEST(Builders, SaysCompleteWhereThatIsTheWord) {
  const Builders live([](Options& options) { options.builders_status_word = "complete"; });
  const std::string task = live.run(live.add("echo"));
  ASSERT_TRUE(live.ends(task));
  EXPECT_EQ(live.status(task), "COMPLETE");
  EXPECT_EQ(live.result(task), result_json(task, "COMPLETE", "gAROLg==\n"));
}

TEST(Builders, AFailureIsAStringOrTheException) {
  const Builders strings;
  const std::string task = strings.run(strings.add("fails"));
  ASSERT_TRUE(strings.ends(task));
  EXPECT_EQ(strings.result(task),
            result_json(task, "FAILED",
                        text_of("FailedFunctionError: Failed task execution due to division by zero")));
  const Builders exceptions([](Options& options) { options.builders_failures = "exceptions"; });
  const std::string other = exceptions.run(exceptions.add("fails"));
  ASSERT_TRUE(exceptions.ends(other));
  EXPECT_EQ(exceptions.result(other),
            result_json(other, "FAILED",
                        wire::write_base64(wire::pickle_exception("ZeroDivisionError", "division by zero"))));
}

TEST(Builders, ATaskPastItsTimeFails) {
  const Builders live([](Options& options) { options.builders_time_limit = std::chrono::milliseconds(20); });
  const std::string task = live.run(live.add("waits"));
  ASSERT_TRUE(live.ends(task));
  EXPECT_EQ(live.result(task),
            result_json(task, "FAILED", text_of("WorkerFailure: Task execution timed out")));
}

TEST(Builders, ATaskWhoseFunctionIsGoneFails) {
  const Builders live([](Options& options) { options.calls_running_max = 1; });
  const std::string first = live.run(live.add("waits"));
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  const std::string function = live.add("echo");
  const std::string second = live.run(function);
  EXPECT_EQ(live.request("DELETE", "/v1/functions/builders/" + function).status, 200);
  EXPECT_EQ(live.try_to_run(function, "").body, R"({"detail":"Function not found"})");
  live.js->release();
  ASSERT_TRUE(live.ends(second));
  EXPECT_EQ(live.status(second), "FAILED");
}

TEST(Builders, AResultThatIsNoneIsAnError) {
  const Builders live;
  const std::string task = live.run(live.add("odd"));
  ASSERT_TRUE(live.ends(task));
  const auto response = live.get("/result/" + task);
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, R"({"detail":"Error retrieving task result"})");
}

TEST(Builders, RefusesWhatIsNoFunction) {
  const Builders live;
  const auto refused = [&live](std::string_view name, std::string_view payload) {
    const auto response = live.try_to_register(name, payload);
    EXPECT_EQ(response.status, 400);
    return response.body;
  };
  const std::string empty = R"({"detail":"Name and payload must not be empty"})";
  EXPECT_EQ(refused("", text_of("echo")), empty);
  EXPECT_EQ(refused("f", " \n"), empty);
  EXPECT_EQ(refused("f", "payload"), R"({"detail":"Invalid function payload: Incorrect padding"})");
  EXPECT_EQ(refused("f", "aGVsbG8="), R"({"detail":"Invalid function payload: invalid load key, 'h'."})");
  EXPECT_EQ(refused("f", "gARL"), R"({"detail":"Invalid function payload: pickle data was truncated"})");
  EXPECT_TRUE(refused("f", text_of("no such")).starts_with(R"({"detail":"Invalid function payload: )"));
  EXPECT_EQ(refused(std::string(1025, 'n'), text_of("echo")),
            R"({"detail":"Name must not have more than 1024 bytes, nor a NUL among them"})");
  EXPECT_EQ(live.get("/v1/functions/builders").body.find("builders/"), std::string::npos)
      << "nothing is kept";
}

TEST(Builders, FindsNothingUnderAnIdThatIsNone) {
  const Builders live;
  const std::string none = "00000000-0000-0000-0000-000000000000";
  const auto response = live.try_to_run(none, "gAROLg==");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, R"({"detail":"Function not found"})");
  for (const std::string path : {"/status/", "/result/"}) {
    EXPECT_EQ(live.get(path + none).status, 404);
    EXPECT_EQ(live.get(path + none).body, R"({"detail":"Task not found"})");
    EXPECT_EQ(live.get(path + "zzz").status, 422);
  }
  EXPECT_EQ(live.post("/execute_function", "{").status, 422);
}

TEST(Builders, ACallOfAnotherFunctionIsNoTask) {
  const Builders live;
  ASSERT_EQ(live.deploy("demo/echo", "echo").status, 201);
  const auto accepted = live.post("/async-function/demo/echo", "x");
  ASSERT_EQ(accepted.status, 202);
  const auto id = parse_call_id(accepted.body.substr(7, 32));
  ASSERT_TRUE(id) << accepted.body;
  EXPECT_EQ(live.get("/status/" + to_text(task_uuid(*id))).body, R"({"detail":"Task not found"})");
}

TEST(Builders, RoutesAsFastApiDid) {
  const Builders live;
  const auto nowhere = live.get("/status");
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_EQ(nowhere.body, R"({"detail":"Not Found"})");
  const auto other = live.get("/register_function");
  EXPECT_EQ(other.status, 405);
  EXPECT_EQ(other.body, R"({"detail":"Method Not Allowed"})");
  EXPECT_EQ(other.header("Allow"), "POST");
  const auto moved = live.post("/register_function/?a=b", "{}");
  EXPECT_EQ(moved.status, 307);
  EXPECT_EQ(moved.body, "");
  EXPECT_EQ(moved.header("Location"), live.server->url() + "/register_function?a=b");
  EXPECT_EQ(live.get("/healthz").status, 200) << "our own is there as ever";
}

TEST(Builders, AreInTheDescriptionOfTheApi) {
  const std::string described = Builders().get("/openapi.json").body;
  for (const std::string_view path :
       {"/register_function", "/execute_function", "/status/{task_id}", "/result/{task_id}"}) {
    EXPECT_NE(described.find('"' + std::string(path) + "\":{"), std::string::npos) << path;
  }
  EXPECT_TRUE(wire::json_kind(described));
  EXPECT_NE(described.find(R"({"name":"faas-builders"}],"security")"), std::string::npos);
  const Builders off([](Options& options) { options.builders = "off"; });
  EXPECT_EQ(off.get("/openapi.json").body.find("faas-builders"), std::string::npos);
}

TEST(Builders, AnotherSitesPageChangesNothing) {
  const Builders live;
  EXPECT_EQ(live.try_to_register("f", text_of("echo"), {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_EQ(live.try_to_register("f", text_of("echo"), {{"Sec-Fetch-Site", "cross-site"}}).status, 403);
  EXPECT_EQ(live.try_to_register("f", text_of("echo"), {{"Origin", live.server->url()}}).status, 200);
}

TEST(Builders, AsksForAKeyWhereOthersDo) {
  const Builders live([](Options& options) { options.auth = "on"; });
  const auto refused = live.try_to_register("f", text_of("echo"));
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.body.starts_with(R"({"detail":"a key is needed here)")) << refused.body;
  const LiveServer::Headers admin = {{"Authorization", "Bearer " + live.server->new_admin_key()}};
  const std::string common = live.add("echo", admin);
  const auto made = live.post("/v1/users", R"({"name":"bob","namespaces":["bobs"]})", admin);
  const std::size_t at = made.body.find("cnp_");
  ASSERT_NE(at, std::string::npos) << made.body;
  const LiveServer::Headers bob = {
      {"Authorization", "Bearer " + made.body.substr(at, made.body.find('"', at) - at)}};
  EXPECT_EQ(live.try_to_run(common, "gAROLg==", bob).status, 404) << "others' functions are not there";
  const std::string own = live.add("echo", bob);
  EXPECT_EQ(live.get("/v1/functions/bobs/" + own, bob).status, 200);
  const std::string task = Builders::id_in(live.try_to_run(own, "gAROLg==", bob), "task_id");
  EXPECT_TRUE(api::eventually(
      [&] { return live.get("/status/" + task, bob).body.find("COMPLETED") != std::string::npos; }));
  EXPECT_EQ(live.get("/result/" + task, admin).status, 200);
  const std::string admins = Builders::id_in(live.try_to_run(common, "gAROLg==", admin), "task_id");
  EXPECT_EQ(live.get("/status/" + admins, bob).status, 404);
}

TEST(Builders, ReadsLargeBodiesAsSmallOnes) {
  const Builders live;
  const std::string large(400'000, 'x');
  EXPECT_EQ(live.try_to_register("f", large).status, 400);
  EXPECT_EQ(live.post("/register_function", R"({"name":[")" + large + R"("]})").status, 422);
  const std::string payload = wire::write_base64(std::string(400'000, 'x'));
  const auto task = live.ends(live.run(live.add("echo"), payload));
  EXPECT_TRUE(task) << "its input is no pickle, and comes back as it was";
}

TEST(Builders, ReadsNoLargeBodyFromThoseWithoutAKey) {
  const std::string large(100'000, 'x');
  const Builders closed([](Options& options) { options.auth = "on"; });
  const auto refused = closed.try_to_register("f", large);
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.body.starts_with(R"({"error":{"code":"unauthorized")")) << refused.body;
  const Builders open([](Options& options) {
    options.auth = "on";
    options.builders = "on";
  });
  EXPECT_EQ(open.try_to_register("f", large).status, 400);
}

TEST(Builders, IsOpenToEverybodyWhereItIsSwitchedOn) {
  const Builders live([](Options& options) {
    options.auth = "on";
    options.builders = "on";
  });
  EXPECT_TRUE(live.ends(live.run(live.add("echo"))));
  EXPECT_EQ(live.get("/v1/functions").status, 401) << "and nothing else is";
}

TEST(Builders, IsNotThereWhereItIsOff) {
  const Builders live([](Options& options) { options.builders = "off"; });
  const auto response = live.try_to_register("f", text_of("echo"));
  EXPECT_EQ(response.status, 404);
  EXPECT_TRUE(response.body.starts_with(R"({"error":{"code":"not_found")"));
}

TEST(Builders, StrangersRegisterSoManyFunctionsAndNoMore) {
  const Builders live([](Options& options) {
    options.builders = "on";
    options.builders_functions = 2;
  });
  live.add("echo");
  const std::string second = live.add("echo");
  const auto refused = live.try_to_register("f", text_of("echo"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.body.find("--builders-functions"), std::string::npos) << refused.body;
  EXPECT_TRUE(live.ends(live.run(second))) << "those that are there run";
  ASSERT_EQ(live.request("DELETE", "/v1/functions/builders/" + second).status, 200);
  live.add("echo");
}

TEST(Builders, WhereAUserOwnsTheNamespaceTheUsersQuotasHold) {
  const Builders live([](Options& options) {
    options.builders = "on";
    options.builders_functions = 1;
  });
  User owner;
  owner.name = "teacher";
  owner.role = Role::developer;
  owner.spaces = {"builders"};
  ASSERT_TRUE(live.catalog->users().add_user(owner, std::nullopt, {}));
  live.add("echo");
  live.add("echo");
}

TEST(Builders, RefusesMoreWhenNothingMoreCanWait) {
  const Builders live(
      [](Options& options) {
        options.calls_queue_max = 1;
        options.calls_running_max = 1;
      },
      true);
  const std::string function = live.add("echo");
  live.run(function);
  ASSERT_TRUE(api::eventually([&] { return live.js->waiting_count() == 1; }));
  live.run(function);
  const auto refused = live.try_to_run(function, "gAROLg==");
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_TRUE(refused.body.starts_with(R"({"detail":"Error creating task: )")) << refused.body;
  live.js->release();
}

}  // namespace
}  // namespace canopy::builders
