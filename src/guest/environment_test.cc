#include "guest/environment.h"

#include <algorithm>
#include <optional>

#include <gtest/gtest.h>

namespace canopy::guest {
namespace {

std::optional<std::string> find(const std::vector<std::string>& variables, const std::string& name) {
  std::optional<std::string> value;
  for (const std::string& variable : variables) {
    if (!variable.starts_with(name + "=")) continue;
    EXPECT_FALSE(value) << name << " is there twice";
    value = variable.substr(name.size() + 1);
  }
  return value;
}

class EnvironmentOf : public testing::Test {
 protected:
  EnvironmentOf() {
    function.name = {"demo", "hello"};
    call.id = {1, 2};
    call.function = &function;
  }
  std::vector<std::string> make() { return make_environment(function, &call, clock); }

  Function function;
  Call call;
  FakeClock clock;
};

TEST_F(EnvironmentOf, ARequestIsAsCgiHasIt) {
  call.method = "PUT";
  call.path = "/a/b";
  call.query = "x=1&y=2";
  call.input = "12345";
  call.headers = {{"Host", "example.org"}, {"Content-Type", "text/plain"}, {"X-Thing", "v"}};
  const auto variables = make();
  EXPECT_EQ(find(variables, "GATEWAY_INTERFACE"), "CGI/1.1");
  EXPECT_EQ(find(variables, "SERVER_PROTOCOL"), "HTTP/1.1");
  EXPECT_EQ(find(variables, "SERVER_NAME"), "example.org");
  EXPECT_EQ(find(variables, "REQUEST_METHOD"), "PUT");
  EXPECT_EQ(find(variables, "SCRIPT_NAME"), "/function/demo/hello");
  EXPECT_EQ(find(variables, "PATH_INFO"), "/a/b");
  EXPECT_EQ(find(variables, "QUERY_STRING"), "x=1&y=2");
  EXPECT_EQ(find(variables, "REQUEST_URI"), "/function/demo/hello/a/b?x=1&y=2");
  EXPECT_EQ(find(variables, "CONTENT_LENGTH"), "5");
  EXPECT_EQ(find(variables, "CONTENT_TYPE"), "text/plain");
  EXPECT_EQ(find(variables, "HTTP_X_THING"), "v");
  EXPECT_EQ(find(variables, "HTTP_HOST"), "example.org");
  EXPECT_EQ(find(variables, "HTTP_CONTENT_TYPE"), std::nullopt);
  EXPECT_EQ(find(variables, "CANOPY_FUNCTION"), "demo/hello");
  EXPECT_EQ(find(variables, "CANOPY_CALL_ID"), "00000000000000010000000000000002");
}

TEST_F(EnvironmentOf, ACallTellsWhatIsLeftOfItsTime) {
  EXPECT_EQ(find(make(), "CANOPY_DEADLINE_MS"), std::nullopt);
  call.deadline = clock.now() + std::chrono::milliseconds(1500);
  EXPECT_EQ(find(make(), "CANOPY_DEADLINE_MS"), "1500");
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(find(make(), "CANOPY_DEADLINE_MS"), "0");
}

TEST_F(EnvironmentOf, TheFunctionsOwnVariablesWin) {
  function.env = {{"HTTP_AUTHORIZATION", "mine"}, {"REQUEST_METHOD", "MINE"}, {"PLAIN", "a=b"}};
  call.headers = {{"Authorization", "theirs"}};
  const auto variables = make();
  EXPECT_EQ(find(variables, "HTTP_AUTHORIZATION"), "mine");
  EXPECT_EQ(find(variables, "REQUEST_METHOD"), "MINE");
  EXPECT_EQ(find(variables, "PLAIN"), "a=b");
}

TEST_F(EnvironmentOf, NoHeaderBecomesAProxyOrPassesForAnother) {
  call.headers = {{"Proxy", "http://evil"},
                  {"pRoXy", "http://evil"},
                  {"X_Real", "evil"},
                  {"X-Real", "good"},
                  {"", "none"},
                  {"a b", "blank"}};
  const auto variables = make();
  EXPECT_EQ(find(variables, "HTTP_PROXY"), std::nullopt);
  EXPECT_EQ(find(variables, "HTTP_X_REAL"), "good");
  EXPECT_EQ(find(variables, "HTTP_"), std::nullopt);
  EXPECT_TRUE(std::none_of(variables.begin(), variables.end(), [](const std::string& variable) {
    return variable.find("blank") != std::string::npos || variable.find("evil") != std::string::npos;
  }));
}

TEST_F(EnvironmentOf, HeadersOfOneNameAreJoined) {
  call.headers = {{"Accept", "a"}, {"Cookie", "x=1"}, {"accept", "b"}, {"cookie", "y=2"}};
  const auto variables = make();
  EXPECT_EQ(find(variables, "HTTP_ACCEPT"), "a, b");
  EXPECT_EQ(find(variables, "HTTP_COOKIE"), "x=1; y=2");
}

TEST_F(EnvironmentOf, NothingWithANulOrABadNameIsPassedOn) {
  function.env = {
      {"", "empty"}, {"A=B", "equals"}, {std::string("N\0L", 3), "nul"}, {"OK", std::string("v\0w", 3)}};
  call.headers = {{"X-Nul", std::string_view("a\0b", 3)}};
  const auto variables = make();
  EXPECT_EQ(find(variables, "OK"), std::nullopt);
  EXPECT_EQ(find(variables, "A"), std::nullopt);
  EXPECT_EQ(find(variables, "HTTP_X_NUL"), std::nullopt);
  for (const std::string& variable : variables) EXPECT_EQ(variable.find('\0'), std::string::npos);
}

TEST_F(EnvironmentOf, AFloodOfHeadersStaysWithinTheLimit) {
  const std::string value(1000, 'v');
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("X-" + std::to_string(i));
  call.headers.reserve(names.size());
  for (const std::string& name : names) call.headers.push_back({name, value});
  const auto variables = make();
  std::size_t size = 0;
  for (const std::string& variable : variables) size += variable.size() + 1;
  EXPECT_LE(size, environment_bytes_max);
  EXPECT_EQ(find(variables, "REQUEST_METHOD"), "POST");
}

TEST_F(EnvironmentOf, WithoutACallIsTheFunctionsOwnAlone) {
  function.env = {{"A", "1"}, {"B", ""}};
  EXPECT_EQ(make_environment(function, nullptr, clock), (std::vector<std::string>{"A=1", "B="}));
}

}  // namespace
}  // namespace canopy::guest
