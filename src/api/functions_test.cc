// Deploying and looking at functions, over HTTP.

#include "api/functions.h"

#include <gtest/gtest.h>

#include "api/live_answers.h"
#include "api/live_server.h"

namespace canopy::api {
namespace {

using Headers = LiveServer::Headers;

std::string error_code(const net::HttpClientResponse& response) {
  const auto json = json_of(response);
  const auto* const error = json.as_object().if_contains("error");
  if (error == nullptr) return "none";
  return std::string(error->as_object().at("code").as_string());
}

TEST(PutFunction, AnswersNewThenANewVersionThenTheSameAgain) {
  const LiveServer live;
  const auto first = live.deploy("demo/hello", "echo");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.header("Location"), "/v1/functions/demo/hello");
  EXPECT_EQ(first.header("Content-Type"), "application/json");
  auto json = json_of(first);
  EXPECT_EQ(json.at("function").as_string(), "demo/hello");
  EXPECT_EQ(json.at("version").as_int64(), 1);
  EXPECT_EQ(json.at("result").as_string(), "new");
  EXPECT_EQ(json.at("url").as_string(), live.server->url() + "/function/demo/hello");

  const auto second = live.deploy("demo/hello", "show");
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(json_of(second).at("version").as_int64(), 2);
  EXPECT_EQ(json_of(second).at("result").as_string(), "changed");
  const auto same = live.deploy("demo/hello", "show");
  EXPECT_EQ(same.status, 200);
  EXPECT_EQ(json_of(same).at("version").as_int64(), 2);
  EXPECT_EQ(json_of(same).at("result").as_string(), "unchanged");
}

TEST(PutFunction, TakesSettingsFromTheQuery) {
  const LiveServer live;
  const auto response = live.deploy(
      "demo/hello", "echo", "?memory=32MiB&timeout=5s&concurrency=7&env=A=1&env=B=two+words&open_files=9");
  ASSERT_EQ(response.status, 201) << response.body;
  const auto json = json_of(response);
  const auto& limits = json.at("limits");
  EXPECT_EQ(limits.at("memory_bytes").as_int64(), 32 << 20);
  EXPECT_DOUBLE_EQ(limits.at("timeout_seconds").to_number<double>(), 5);
  EXPECT_EQ(limits.at("concurrency").as_int64(), 7);
  EXPECT_EQ(limits.at("open_files").as_int64(), 9);
  EXPECT_EQ(json.at("env").at("A").as_string(), "1");
  EXPECT_EQ(json.at("env").at("B").as_string(), "two words");
}

TEST(PutFunction, TakesAnUploadOfSeveralParts) {
  const LiveServer live;
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"manifest\"\r\n\r\nmemory: 16MiB\nenv:\n  A: from "
      "file\n\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"data/words.txt\"\r\n\r\none two\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"code\"; filename=\"x.wasm\"\r\n\r\necho\r\n--b--\r\n";
  const auto response = live.request("PUT", "/v1/functions/demo/hello?timeout=3s", body,
                                     {{"Content-Type", "multipart/form-data; boundary=b"}});
  ASSERT_EQ(response.status, 201) << response.body;
  const auto json = json_of(response);
  EXPECT_EQ(json.at("limits").at("memory_bytes").as_int64(), 16 << 20);
  EXPECT_DOUBLE_EQ(json.at("limits").at("timeout_seconds").to_number<double>(), 3);
  EXPECT_EQ(json.at("env").at("A").as_string(), "from file");
  ASSERT_EQ(json.at("files").as_array().size(), 1U);
  EXPECT_EQ(json.at("files").at(0).at("path").as_string(), "data/words.txt");
  EXPECT_EQ(json.at("files").at(0).at("size_bytes").as_int64(), 7);
  EXPECT_EQ(live.post("/function/demo/hello", "body").body, "body");
}

TEST(PutFunction, SaysInADryRunWhatItWouldChangeAndChangesNothing) {
  const LiveServer live;
  EXPECT_EQ(json_of(live.deploy("demo/hello", "echo", "?dry_run=true")).at("result").as_string(), "new");
  EXPECT_EQ(live.get("/v1/functions/demo/hello").status, 404);
  ASSERT_EQ(live.deploy("demo/hello", "echo", "?timeout=5s").status, 201);
  const auto same = json_of(live.deploy("demo/hello", "echo", "?timeout=5s&dry_run=true"));
  EXPECT_EQ(same.at("result").as_string(), "unchanged");
  EXPECT_EQ(same.at("version").as_int64(), 1);
  const auto other = json_of(live.deploy("demo/hello", "echo", "?dry_run=true"));
  EXPECT_EQ(other.at("result").as_string(), "changed");
  EXPECT_EQ(other.at("version").as_int64(), 0);
  EXPECT_DOUBLE_EQ(other.at("limits").at("timeout_seconds").to_number<double>(), 10);
  EXPECT_EQ(json_of(live.get("/v1/functions/demo/hello")).at("version").as_int64(), 1);
  EXPECT_EQ(live.deploy("demo/hello", "echo", "?dry_run=perhaps").status, 400);
}

TEST(PutFunction, RefusesCodeInFullWordsAndChangesNothing) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/hello", "echo").status, 201);
  const auto refused = live.deploy("demo/hello", "no such thing");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(error_code(refused), "refused");
  EXPECT_NE(refused.body.find("no function is called 'no such thing'"), std::string::npos);
  EXPECT_EQ(json_of(live.get("/v1/functions/demo/hello")).at("version").as_int64(), 1);
  EXPECT_EQ(live.deploy("demo/other", "no such thing").status, 422);
  EXPECT_EQ(live.get("/v1/functions/demo/other").status, 404);
}

TEST(PutFunction, RefusesWhatIsNoDeployment) {
  const LiveServer live;
  const auto put = [&live](const std::string& query, const std::string& type, const std::string& body) {
    Headers headers;
    if (!type.empty()) headers.push_back({"Content-Type", type});
    return live.request("PUT", "/v1/functions/demo/hello" + query, body, headers);
  };
  const auto source = put("", "text/x-c++src", "int main() {}");
  EXPECT_EQ(source.status, 422);
  EXPECT_NE(source.body.find("canopy deploy"), std::string::npos);
  EXPECT_EQ(put("", "text/javascript", "1").status, 422);
  EXPECT_EQ(put("", "text/x-python", "1").status, 422);
  EXPECT_EQ(put("", "application/json", "{}").status, 422);
  EXPECT_EQ(put("", "", "x").status, 422);
  EXPECT_EQ(put("?memroy=1MiB", "application/wasm", "echo").status, 400);
  EXPECT_EQ(put("?memory=1XB", "application/wasm", "echo").status, 400);
  EXPECT_EQ(put("?memory=1MiB&memory=2MiB", "application/wasm", "echo").status, 400);
  EXPECT_EQ(put("?memory=%zz", "application/wasm", "echo").status, 400);
  EXPECT_EQ(put("?env=1=2", "application/wasm", "echo").status, 400);
  const auto kept = put("?keep_warm=2", "application/wasm", "echo");
  EXPECT_EQ(kept.status, 400);
  EXPECT_NE(kept.body.find("'keep_warm' is for functions in Python"), std::string::npos) << kept.body;
  EXPECT_EQ(put("?name=other/one", "application/wasm", "echo").status, 400);
  EXPECT_EQ(put("?runtime=cobol", "application/wasm", "echo").status / 100, 4);
  EXPECT_EQ(put("", "multipart/form-data; boundary=b", "nothing").status, 400);
  EXPECT_EQ(put("", "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"manifest\"\r\n\r\nmemory: 1MiB\r\n--b--\r\n")
                .status,
            422);
  EXPECT_EQ(live.get("/v1/functions/demo/hello").status, 404);
}

TEST(PutFunction, RefusesMoreMemoryThanAFunctionMayHave) {
  const LiveServer live([](Options& options) { options.memory_bytes_max = 128 * MiB; });
  const auto response = live.deploy("demo/hello", "echo", "?memory=256MiB");
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("128MiB"), std::string::npos) << response.body;
  EXPECT_EQ(live.deploy("demo/hello", "echo", "?memory=128MiB").status, 201);
}

TEST(PutFunction, RefusesABodyPastTheLimitAndNamesIt) {
  const LiveServer live([](Options& options) {
    options.code_bytes_max = 100 * KiB;
    options.body_bytes_max = 10 * KiB;
  });
  const auto code = live.deploy("demo/hello", std::string(200 * KiB, 'x'));
  EXPECT_EQ(code.status, 413);
  EXPECT_EQ(error_code(code), "too_large");
  ASSERT_EQ(live.deploy("demo/hello", "echo").status, 201);
  EXPECT_EQ(live.post("/function/demo/hello", std::string(20 * KiB, 'x')).status, 413);
  EXPECT_EQ(live.post("/function/demo/hello", std::string(10 * KiB, 'x')).status, 200);
  EXPECT_EQ(live.post("/v1/functions/demo/hello/rollback", std::string(70 * KiB, ' ')).status, 413);
  // What is wrong with the path is said before what is wrong with the size.
  const auto nameless = live.deploy("hello", std::string(70 * KiB, 'x'));
  EXPECT_EQ(nameless.status, 400);
  EXPECT_NE(nameless.body.find("a name is missing, as in /v1/functions/hello/NAME"), std::string::npos)
      << nameless.body;
}

TEST(PutFunction, RefusesBadNames) {
  const LiveServer live;
  EXPECT_EQ(live.deploy("demo/..", "echo").status, 400);
  EXPECT_EQ(live.deploy("demo/a%2Fb", "echo").status, 400);
  EXPECT_EQ(live.deploy("demo/a%00b", "echo").status, 400);
  EXPECT_EQ(live.deploy("demo/" + std::string(300, 'a'), "echo").status, 400);
  EXPECT_EQ(live.deploy("demo/%C3%A4", "echo").status, 400);
  EXPECT_EQ(live.deploy("demo/%zz", "echo").status, 400);
}

TEST(GetFunction, ShowsWhatWasDeployed) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/hello", "echo", "?env=A=b").status, 201);
  const auto response = live.get("/v1/functions/demo/hello");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response).at("env").at("A").as_string(), "b");
  EXPECT_EQ(live.request("HEAD", "/v1/functions/demo/hello").status, 200);
  EXPECT_EQ(live.request("HEAD", "/v1/functions/demo/hello").body, "");
  EXPECT_EQ(live.get("/v1/functions/demo/other").status, 404);
  EXPECT_EQ(error_code(live.get("/v1/functions/demo/other")), "not_found");
  EXPECT_EQ(live.get("/v1/functions/demo/hello?x=1").status, 400);
}

TEST(ListFunctions, PagesThroughThemByName) {
  const LiveServer live;
  for (const char* const name : {"b/one", "a/two", "a/one", "c/one"}) {
    ASSERT_EQ(live.deploy(name, "echo").status, 201);
  }
  const auto names = [](const boost::json::value& json) {
    std::string all;
    for (const auto& function : json.at("functions").as_array()) {
      all += std::string(function.at("function").as_string()) + " ";
    }
    return all;
  };
  const auto all = json_of(live.get("/v1/functions"));
  EXPECT_EQ(names(all), "a/one a/two b/one c/one ");
  EXPECT_TRUE(all.at("next").is_null());
  const auto page = json_of(live.get("/v1/functions?limit=3"));
  EXPECT_EQ(names(page), "a/one a/two b/one ");
  EXPECT_EQ(page.at("next").as_string(), "b/one");
  EXPECT_EQ(names(json_of(live.get("/v1/functions?limit=3&after=b/one"))), "c/one ");
  EXPECT_EQ(names(json_of(live.get("/v1/functions/a"))), "a/one a/two ");
  EXPECT_EQ(names(json_of(live.get("/v1/functions/a?after=a/one"))), "a/two ");
  EXPECT_EQ(names(json_of(live.get("/v1/functions/none"))), "");
  EXPECT_EQ(live.get("/v1/functions?limit=0").status, 400);
  EXPECT_EQ(live.get("/v1/functions?limit=x").status, 400);
  EXPECT_EQ(live.get("/v1/functions?lmit=1").status, 400);
}

TEST(Rollback, GoesToTheVersionBeforeOrToTheOneThatIsNamed) {
  const LiveServer live;
  for (const char* const code : {"echo", "show", "teapot"}) live.deploy("demo/hello", code);
  const auto current = [&live] {
    return json_of(live.get("/v1/functions/demo/hello/versions")).at("current").as_int64();
  };
  EXPECT_EQ(current(), 3);
  const auto back = live.post("/v1/functions/demo/hello/rollback");
  EXPECT_EQ(back.status, 200);
  EXPECT_EQ(json_of(back).at("version").as_int64(), 2);
  EXPECT_EQ(current(), 2);
  EXPECT_EQ(live.post("/v1/functions/demo/hello/rollback", R"({"version": 1})").status, 200);
  EXPECT_EQ(live.post("/v1/functions/demo/hello/rollback", R"({"version": 1.0})").status, 200);
  EXPECT_EQ(live.post("/function/demo/hello", "again").body, "again");
  EXPECT_EQ(live.post("/v1/functions/demo/hello/rollback").status, 409);
  EXPECT_EQ(live.post("/v1/functions/demo/hello/rollback", R"({"version": 9})").status, 404);
  EXPECT_EQ(live.post("/v1/functions/demo/other/rollback").status, 404);
  for (const char* const bad : {"[]", "{\"version\": 0}", "{\"version\": \"1\"}", "{\"version\": 1.5}",
                                "{\"version\": 1e300}", "{\"versoin\": 1}", "{", "1"}) {
    EXPECT_EQ(live.post("/v1/functions/demo/hello/rollback", bad).status, 400) << bad;
  }
}

TEST(Versions, ListsNewestFirst) {
  const LiveServer live;
  live.deploy("demo/hello", "echo");
  live.deploy("demo/hello", "show");
  const auto json = json_of(live.get("/v1/functions/demo/hello/versions"));
  ASSERT_EQ(json.at("versions").as_array().size(), 2U);
  EXPECT_EQ(json.at("versions_max").as_int64(), 20);
  EXPECT_EQ(json.at("versions").at(0).at("version").as_int64(), 2);
  EXPECT_EQ(live.get("/v1/functions/demo/other/versions").status, 404);
}

TEST(RemoveFunction, TakesItFromEverySight) {
  const LiveServer live;
  ASSERT_EQ(live.deploy("demo/hello", "echo").status, 201);
  ASSERT_EQ(live.post("/function/demo/hello", "x").status, 200);
  const auto removed = live.request("DELETE", "/v1/functions/demo/hello");
  EXPECT_EQ(removed.status, 200);
  EXPECT_EQ(json_of(removed).at("removed").as_string(), "demo/hello");
  EXPECT_EQ(live.post("/function/demo/hello", "x").status, 404);
  EXPECT_EQ(live.request("DELETE", "/v1/functions/demo/hello").status, 404);
  EXPECT_EQ(live.deploy("demo/hello", "echo").status, 201);
}

}  // namespace
}  // namespace canopy::api
