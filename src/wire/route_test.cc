#include "wire/route.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

constexpr std::string_view id = "0123456789abcdef0123456789abcdef";

std::string calls(std::string_view rest) { return "/v1/calls/" + std::string(id) + std::string(rest); }

Code refusal(std::string_view path, std::string_view method = "GET") {
  const auto route = parse_route(method, path);
  EXPECT_FALSE(route) << path;
  return route ? Code::internal : route.error().code;
}

TEST(Route, TakesACallApart) {
  const auto route = parse_route("PATCH", "/function/demo/hello/a%20b//c/..");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->target, Target::call);
  EXPECT_EQ(to_text(route->function), "demo/hello");
  EXPECT_EQ(route->rest, "/a%20b//c/..");
  EXPECT_EQ(route->allowed, "");
}

TEST(Route, GivesACallThePathSlash) {
  EXPECT_EQ(parse_route("GET", "/function/demo/hello")->rest, "/");
  EXPECT_EQ(parse_route("GET", "/function/demo/hello/")->rest, "/");
}

TEST(Route, LeavesEveryMethodToACall) {
  for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "DELETE", "BREW"}) {
    EXPECT_EQ(parse_route(method, "/function/a/b")->target, Target::call) << method;
  }
}

TEST(Route, TakesAnAsyncCallApart) {
  const auto route = parse_route("POST", "/async-function/demo/hello/x");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->target, Target::async_call);
  EXPECT_EQ(to_text(route->function), "demo/hello");
  EXPECT_EQ(route->rest, "/x");
  EXPECT_EQ(parse_route("GET", "/async-function/demo/hello")->target, Target::wrong_method);
}

TEST(Route, DecodesNamesOnce) {
  EXPECT_EQ(to_text(parse_route("GET", "/function/d%65mo/%68ello")->function), "demo/hello");
  EXPECT_EQ(refusal("/function/demo/%2568ello"), Code::invalid);  // "%68ello" is not a name.
}

TEST(Route, RefusesNamesThatAreNone) {
  for (const std::string_view path :
       {"/function/demo/..", "/function/../demo", "/function/demo/%2e%2e", "/function/demo/a%2fb",
        "/function/demo/a%00", "/function/demo/%zz", "/function/demo/a%", "/function//hello",
        "/function/demo/", "/function/demo//x", "/function/demo/\xD0\xB6", "/function/demo/%D0%B6",
        "/function/demo/-a", "/v1/functions/", "/v1/functions/%2e%2e", "/v1/functions/demo/",
        "/v1/functions/demo/%00", "/v1/functions/demo//versions"}) {
    EXPECT_EQ(refusal(path), Code::invalid) << path;
  }
  EXPECT_EQ(refusal("/function/demo/" + std::string(300, 'a')), Code::invalid);
}

TEST(Route, SaysHowToCallWithoutANamespace) {
  const auto route = parse_route("GET", "/function/hello");
  ASSERT_FALSE(route);
  EXPECT_EQ(route.error().code, Code::not_found);
  EXPECT_NE(route.error().message.find("/function/default/hello"), std::string::npos);
}

struct Row {
  std::string_view method;
  std::string path;
  Target target;
};

TEST(Route, KnowsEveryPath) {
  const std::array<Row, 29> rows = {{{"GET", "/v1/functions", Target::functions},
                                     {"GET", "/v1/functions/demo", Target::functions},
                                     {"GET", "/v1/functions/demo/hello", Target::function},
                                     {"PUT", "/v1/functions/demo/hello", Target::function},
                                     {"DELETE", "/v1/functions/demo/hello", Target::function},
                                     {"GET", "/v1/functions/demo/hello/versions", Target::versions},
                                     {"POST", "/v1/functions/demo/hello/rollback", Target::rollback},
                                     {"POST", "/v1/functions/demo/hello/calls", Target::batch_calls},
                                     {"GET", "/v1/functions/demo/hello/logs", Target::function_logs},
                                     {"GET", "/v1/calls", Target::calls},
                                     {"GET", calls(""), Target::call_record},
                                     {"DELETE", calls(""), Target::call_record},
                                     {"GET", calls("/result"), Target::call_result},
                                     {"GET", calls("/logs"), Target::call_logs},
                                     {"POST", calls("/retry"), Target::call_retry},
                                     {"GET", "/v1/events", Target::events},
                                     {"GET", "/metrics", Target::metrics},
                                     {"GET", "/healthz", Target::healthz},
                                     {"HEAD", "/healthz", Target::healthz},
                                     {"GET", "/readyz", Target::readyz},
                                     {"GET", "/debug/state", Target::debug_state},
                                     {"GET", "/openapi.json", Target::openapi},
                                     {"GET", "/v1/nodes", Target::nodes},
                                     {"GET", "/v1/dispatch", Target::dispatch},
                                     {"PUT", "/v1/dispatch", Target::dispatch},
                                     {"GET", "/docs", Target::docs},
                                     {"GET", "/", Target::dashboard},
                                     {"OPTIONS", "/v1/functions", Target::options},
                                     {"OPTIONS", "*", Target::options}}};
  for (const Row& row : rows) {
    const auto route = parse_route(row.method, row.path);
    ASSERT_TRUE(route) << row.path;
    EXPECT_EQ(route->target, row.target) << row.method << " " << row.path;
  }
}

TEST(Route, KeepsWhatThePathNames) {
  EXPECT_EQ(parse_route("GET", "/v1/functions/demo")->function, (FunctionName{"demo", ""}));
  EXPECT_EQ(parse_route("GET", "/v1/functions")->function, FunctionName());
  EXPECT_EQ(to_text(parse_route("POST", "/v1/functions/demo/x.1/rollback")->function), "demo/x.1");
  EXPECT_EQ(to_text(parse_route("GET", calls("/logs"))->call), id);
}

TEST(Route, ListsTheMethodsOfAPath) {
  const auto wrong = parse_route("PATCH", "/v1/functions/demo/hello");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->target, Target::wrong_method);
  EXPECT_EQ(wrong->allowed, "GET, HEAD, PUT, DELETE, OPTIONS");
  EXPECT_EQ(parse_route("GET", "/v1/functions/demo/hello/rollback")->allowed, "POST, OPTIONS");
  EXPECT_EQ(parse_route("POST", "/metrics")->target, Target::wrong_method);
  // A method is a whole word, in its own letters.
  for (const std::string_view method : {"get", "GE", "GET, HEAD", "", "ET"}) {
    EXPECT_EQ(parse_route(method, "/metrics")->target, Target::wrong_method) << method;
  }
}

TEST(Route, NeverTakesOptionsForTheAction) {
  const auto route = parse_route("OPTIONS", "/v1/functions/demo/hello/rollback");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->target, Target::options);
  EXPECT_EQ(route->allowed, "POST, OPTIONS");
}

TEST(Route, DoesNotFindOtherPaths) {
  for (const std::string_view path :
       {"", "*", "/v1", "/v1/", "/v2/functions", "/v1/functionsx", "/V1/functions", "/metrics/", "/docs/x",
        "/v1/functions/demo/hello/", "/v1/functions/demo/hello/version", "/v1/functions/demo/hello/logs/x",
        "/function", "/v1/../metrics", "//metrics", "http://host/metrics", "/v1/%66unctions"}) {
    EXPECT_EQ(refusal(path), Code::not_found) << path;
  }
  EXPECT_EQ(refusal(calls("/")), Code::not_found);
  EXPECT_EQ(refusal(calls("/results")), Code::not_found);
}

TEST(Route, RefusesIdsThatAreNone) {
  for (const std::string_view path :
       {"/v1/calls/", "/v1/calls/12", "/v1/calls/zz23456789abcdef0123456789abcdef",
        "/v1/calls/%30123456789abcdef0123456789abcdef"}) {
    EXPECT_EQ(refusal(path), Code::invalid) << path;
  }
}

TEST(Route, ShowsUnknownPathsSafely) {
  const auto route = parse_route("GET", "/x\n" + std::string(10'000, 'y'));
  ASSERT_FALSE(route);
  EXPECT_NE(route.error().message.find("/x\\x0ayy"), std::string::npos);
  EXPECT_LT(route.error().message.size(), 400U);
}

}  // namespace
}  // namespace canopy::wire
