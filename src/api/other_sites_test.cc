#include "api/other_sites.h"

#include <gtest/gtest.h>

#include "api/live_server.h"

namespace canopy::api {
namespace {

constexpr std::string_view new_user = R"({"name":"eve","role":"admin"})";

TEST(OtherSites, MayChangeNothingWhereNoKeysAreDemanded) {
  const LiveServer live;
  for (const auto& [name, value] :
       {std::pair("Origin", "http://evil.example"), std::pair("Origin", "null"),
        std::pair("Sec-Fetch-Site", "cross-site"), std::pair("Sec-Fetch-Site", "same-site")}) {
    EXPECT_EQ(live.post("/v1/users", std::string(new_user), {{name, value}}).status, 403) << value;
    EXPECT_EQ(live.post("/async-function/demo/none", "", {{name, value}}).status, 403) << value;
    EXPECT_EQ(live.get("/v1/functions", {{name, value}}).status, 200) << value;  // Which it cannot read.
  }
  EXPECT_EQ(live.post("/v1/users", std::string(new_user), {{"Origin", live.server->url()}}).status, 201);
}

TEST(OtherSites, MayWhereTheyAreNamedAndCallFunctionsAnyway) {
  const LiveServer live([](Options& options) { options.cors_origin = "https://example.org"; });
  live.deploy("demo/echo", "echo");
  EXPECT_EQ(live.post("/function/demo/echo", "x", {{"Sec-Fetch-Site", "cross-site"}}).status, 200);
  EXPECT_EQ(live.post("/v1/users", std::string(new_user), {{"Origin", "https://evil.example"}}).status, 403);
  EXPECT_EQ(live.post("/v1/users", std::string(new_user), {{"Origin", "https://example.org"}}).status, 201);
}

TEST(OtherSites, GetNothingByANameThatLeadsHere) {
  const auto ask = [](std::string_view host, const Options& options, const policy::Place& place) {
    net::HttpRequest request;
    request.method = "GET";
    request.headers.push_back({"Host", host});
    return keep_out(request, options, place);
  };
  Options options;
  for (const char* const host :
       {"evil.example", "evil.example:8080", "evil.example.", "127.0.0.1.evil.example", "a.localhost.com"}) {
    const auto refused = ask(host, options, {});
    ASSERT_TRUE(refused) << host;
    EXPECT_EQ(refused->code, Code::forbidden);
    EXPECT_NE(refused->message.find("http://127.0.0.1"), std::string::npos);
    EXPECT_FALSE(ask(host, options, {.mode = policy::Mode::off}));  // A proxy stands in front.
    EXPECT_FALSE(ask(host, options, {.loopback = false, .insecure = true}));
  }
  for (const char* const host :
       {"127.0.0.1:8080", "localhost", "LOCALHOST:1", "localhost.", "[::1]:8080", "10.0.0.1",
        "build-machine:8080", "shop.localhost", "host.docker.internal:80", "x", ""}) {
    EXPECT_FALSE(ask(host, options, {})) << host;
  }
  options.cors_origin = "https://example.org";
  EXPECT_FALSE(ask("example.org:8080", options, {}));
  EXPECT_TRUE(ask("example.com", options, {}));
}

}  // namespace
}  // namespace canopy::api
