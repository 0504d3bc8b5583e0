#include "js/fetch.h"

#include <future>
#include <map>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "js/fetch_calls.h"

namespace canopy::js {
namespace {

using std::chrono::seconds;

TEST(FetchUrl, ReadsWhatARequestNeeds) {
  const auto url = parse_fetch_url("https://API.Example.com:8443/a/b?c=d#e");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->origin, "https://api.example.com:8443");
  EXPECT_EQ(url->host, "api.example.com");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_FALSE(url->default_port);
  const auto plain = parse_fetch_url("http://[2001:db8::1]?x");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->host, "[2001:db8::1]");
  EXPECT_EQ(plain->port, "80");
  EXPECT_EQ(plain->target, "/?x");
}

TEST(FetchUrl, RefusesWhatIsNone) {
  for (const char* url : {"", "ftp://a/", "file:///etc/passwd", "http://", "http:///x", "http://a b/",
                          "http://a@b/", "http://a:999999/", "http://a:x/", "http://a/\r\nHost: b",
                          "http://a/\x80", "http://[::1/", "//a/", "http://a\tb/", "http://:80/"}) {
    const auto parsed = parse_fetch_url(url);
    ASSERT_FALSE(parsed) << url;
    EXPECT_EQ(parsed.error().code, Code::invalid) << url;
  }
}

TEST(FetchPolicy, AllowsTheNamedHostsOnly) {
  const auto allowed = [](const char* url, std::string_view hosts) {
    const auto parsed = parse_fetch_url(url);
    return parsed && is_allowed(*parsed, hosts);
  };
  EXPECT_TRUE(allowed("https://api.example.com/", "other.org,api.example.com"));
  EXPECT_TRUE(allowed("http://API.EXAMPLE.com/", "Api.Example.Com"));
  EXPECT_TRUE(allowed("https://a.b.example.com/", "*.example.com"));
  EXPECT_TRUE(allowed("http://example.net:8443/", "example.net:8443"));
  EXPECT_TRUE(allowed("https://anything.at.all/", "*"));
  EXPECT_FALSE(allowed("https://api.example.com/", ""));
  EXPECT_FALSE(allowed("https://api.example.com/", "example.com"));
  EXPECT_FALSE(allowed("https://example.com/", "*.example.com"));
  EXPECT_FALSE(allowed("https://evilexample.com/", "*.example.com"));
  EXPECT_FALSE(allowed("https://example.com.evil.org/", "example.com"));
  EXPECT_FALSE(allowed("http://example.com:8080/", "example.com"));
  EXPECT_FALSE(allowed("http://example.net/", "example.net:8443"));
  EXPECT_FALSE(allowed("http://example.net/", ",,"));
}

TEST(FetchPolicy, ResolvesLocations) {
  const auto from = parse_fetch_url("https://a.org/x/y?q");
  ASSERT_TRUE(from);
  EXPECT_EQ(resolve_location(*from, "http://b.org/z"), "http://b.org/z");
  EXPECT_EQ(resolve_location(*from, "//b.org/z"), "https://b.org/z");
  EXPECT_EQ(resolve_location(*from, "/z?u=http://c/"), "https://a.org/z?u=http://c/");
  EXPECT_EQ(resolve_location(*from, "z"), "https://a.org/x/z");
  EXPECT_EQ(resolve_location(*from, "?r"), "https://a.org/x/y?r");
}

// Answers by the URL it is asked for, and keeps what it was asked.
struct FakeNet {
  std::vector<net::HttpClientRequest> asked;
  std::map<std::string, net::HttpClientResponse> answers;

  Send send() {
    return [this](const net::HttpClientRequest& request) -> Result<net::HttpClientResponse> {
      asked.push_back(request);
      const auto at = answers.find(request.url + request.target);
      if (at == answers.end()) return fail(Code::unavailable, "nobody is there");
      return at->second;
    };
  }
};

net::HttpClientResponse redirect(int status, const std::string& to) {
  return {.status = status, .headers = {{"Location", to}}, .body = "moved"};
}

Result<FetchResponse> run(FakeNet& net, FetchRequest request, const std::string& hosts = "a.org,b.org") {
  const FakeClock clock;
  return fetch(std::move(request), hosts, {}, clock.now() + seconds(5), clock, net.send());
}

FetchRequest get(const std::string& url) {
  return {.method = "GET", .url = url, .redirect = "follow", .headers = {}, .body = {}};
}

TEST(Fetch, AsksPublicAddressesOnlyAndWithinItsTime) {
  FakeNet net;
  net.answers["https://a.org/x"] = {.status = 200, .headers = {{"X", "y"}}, .body = "hello"};
  FetchRequest request = get("https://a.org/x");
  request.headers = {{"Accept", "*/*"}, {"Host", "evil"}, {"Content-Length", "7"}, {"Connection", "close"}};
  const auto response = run(net, request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_FALSE(response->redirected);
  ASSERT_EQ(net.asked.size(), 1U);
  EXPECT_TRUE(net.asked[0].public_only);
  EXPECT_EQ(net.asked[0].timeout, seconds(5));
  ASSERT_EQ(net.asked[0].headers.size(), 1U);
  EXPECT_EQ(net.asked[0].headers[0].name, "Accept");
}

TEST(Fetch, RefusesAHostThatIsNotNamed) {
  FakeNet net;
  const auto response = run(net, get("https://c.org/x"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::forbidden);
  EXPECT_NE(response.error().message.find("fetch: [c.org]"), std::string::npos);
  EXPECT_TRUE(net.asked.empty());
  // A port of its own has to be named, too.
  const auto port = run(net, get("http://c.org:8080/x"));
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().message.find("fetch: [c.org:8080]"), std::string::npos) << port.error().message;
}

TEST(Fetch, ChecksEachRedirectAnew) {
  FakeNet net;
  net.answers["https://a.org/1"] = redirect(302, "https://b.org/2");
  net.answers["https://b.org/2"] = redirect(302, "http://169.254.169.254/meta");
  const auto response = run(net, get("https://a.org/1"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::forbidden);
  EXPECT_EQ(net.asked.size(), 2U);
}

TEST(Fetch, TakesNoSecretsToAnotherOrigin) {
  FakeNet net;
  net.answers["https://a.org/1"] = redirect(303, "https://b.org/2");
  net.answers["https://b.org/2"] = {.status = 200, .headers = {}, .body = "there"};
  FetchRequest request = get("https://a.org/1");
  request.method = "POST";
  request.body = "secret";
  request.headers = {
      {"Authorization", "x"}, {"Cookie", "y"}, {"Content-Type", "text/plain"}, {"Accept", "z"}};
  const auto response = run(net, request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_TRUE(response->redirected);
  EXPECT_EQ(response->url, "https://b.org/2");
  ASSERT_EQ(net.asked.size(), 2U);
  EXPECT_EQ(net.asked[1].method, "GET");
  EXPECT_EQ(net.asked[1].body, "");
  ASSERT_EQ(net.asked[1].headers.size(), 1U);
  EXPECT_EQ(net.asked[1].headers[0].name, "Accept");
}

TEST(Fetch, FollowsNotForEverAndNotWhereItIsNotWanted) {
  FakeNet net;
  net.answers["https://a.org/loop"] = redirect(307, "/loop");
  const auto endless = run(net, get("https://a.org/loop"));
  ASSERT_FALSE(endless);
  EXPECT_NE(endless.error().message.find("redirects"), std::string::npos);
  FetchRequest manual = get("https://a.org/loop");
  manual.redirect = "manual";
  const auto seen = run(net, manual);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->status, 307);
  FetchRequest error = get("https://a.org/loop");
  error.redirect = "error";
  EXPECT_FALSE(run(net, error));
}

TEST(Fetch, EndsWithItsTime) {
  FakeNet net;
  const FakeClock clock;
  const auto late = fetch(get("https://a.org/"), "*", {}, clock.now(), clock, net.send());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline);
}

TEST(FetchCalls, RequestsAndAnswersAreTexts) {
  using namespace std::string_view_literals;
  const auto request = read_fetch_request("PUT\0http://a/\0follow\0A\0b\0C\0\0\0the body\0more"sv);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->method, "PUT");
  ASSERT_EQ(request->headers.size(), 2U);
  EXPECT_EQ(request->headers[1].value, "");
  EXPECT_EQ(request->body, "the body\0more"sv);
  for (const std::string_view bad :
       {""sv, "GET"sv, "GET\0u\0"sv, "GET\0u\0follow\0"sv, "GET\0u\0follow\0A\0"sv}) {
    EXPECT_FALSE(read_fetch_request(bad));
  }
  EXPECT_EQ(
      write_fetch_answer(FetchResponse{.status = 200, .url = "u", .headers = {{"A", "b"}}, .body = "x"}),
      "200\0u\0\0A\0b\0\0x"sv);
  EXPECT_EQ(write_fetch_answer(fail(Code::forbidden, "no")), "0\0no"sv);
}

TEST(FetchCalls, WakesItsCallOnceAndAnswersOnce) {
  FakeNet net;
  net.answers["https://a.org/"] = {.status = 204, .headers = {}, .body = ""};
  const auto fetcher = std::make_shared<Fetcher>(FetchOptions{.thread_count = 1}, net.send());
  FetchCalls calls(fetcher);
  const FakeClock clock;
  std::promise<void> woken;
  const auto number = calls.start(get("https://a.org/"), "*", clock.now() + seconds(5), clock,
                                  [&woken] { woken.set_value(); });
  EXPECT_EQ(number, 1);
  woken.get_future().wait();
  EXPECT_EQ(calls.next_answered(), 1);
  EXPECT_EQ(calls.next_answered(), 0);
  ASSERT_NE(calls.answer(1), nullptr);
  EXPECT_TRUE(calls.answer(1)->starts_with("204"));
  calls.drop(1);
  EXPECT_EQ(calls.answer(1), nullptr);
  // What cannot be read is answered too, without a thread.
  EXPECT_EQ(calls.start(fail(Code::invalid, "no request"), "*", clock.now(), clock, {}), 2);
  EXPECT_EQ(calls.next_answered(), 2);
  EXPECT_NE(calls.answer(2)->find("no request"), std::string::npos);
}

TEST(FetchCalls, ACallFetchesOnlySoOften) {
  FakeNet net;
  const auto fetcher = std::make_shared<Fetcher>(FetchOptions{.thread_count = 1}, net.send());
  FetchCalls calls(fetcher);
  const FakeClock clock;
  std::int32_t last = 0;
  for (std::size_t i = 0; i <= fetches_per_call_max; ++i) {
    last = calls.start(get("https://b.org/"), "", clock.now() + seconds(1), clock, {});
  }
  while (calls.answer(last) == nullptr) calls.next_answered();
  EXPECT_NE(calls.answer(last)->find("may fetch 100 times"), std::string::npos);
}

// The answers of a call that reads none are kept up to a bound; and what was kept is given back.
TEST(FetchCalls, WhatNobodyReadsIsBounded) {
  FakeNet net;
  net.answers["https://a.org/"] = {.status = 200, .headers = {}, .body = std::string(4000, 'x')};
  const FetchOptions options{
      .thread_count = 1, .held_bytes_max_per_call = 10'000, .held_bytes_max = 1'000'000};
  const auto fetcher = std::make_shared<Fetcher>(options, net.send());
  const FakeClock clock;
  const auto wait_for = [](FetchCalls& calls, std::int32_t last) {
    while (calls.answer(last) == nullptr) calls.next_answered();
  };
  for (int round = 0; round < 3; ++round) {
    FetchCalls calls(fetcher);
    for (int i = 0; i < 4; ++i) calls.start(get("https://a.org/"), "*", clock.now() + seconds(5), clock, {});
    wait_for(calls, 4);
    EXPECT_TRUE(calls.answer(1)->starts_with("200"));
    EXPECT_TRUE(calls.answer(2)->starts_with("200"));
    EXPECT_NE(calls.answer(3)->find("unread"), std::string::npos);
    for (int i = 1; i <= 4; ++i) calls.drop(i);
    wait_for(calls, calls.start(get("https://a.org/"), "*", clock.now() + seconds(5), clock, {}));
    EXPECT_TRUE(calls.answer(5)->starts_with("200")) << "there is room again";
  }
  ASSERT_TRUE(fetcher->hold(1'000'000)) << "everything was given back";
  fetcher->let_go(1'000'000);
}

TEST(FetchCalls, BodiesOnTheirWayAreBounded) {
  FakeNet net;
  const FetchOptions options{.thread_count = 1, .held_bytes_max_per_call = 10'000, .held_bytes_max = 15'000};
  const auto fetcher = std::make_shared<Fetcher>(options, net.send());
  const FakeClock clock;
  FetchCalls calls(fetcher);
  FetchRequest large = get("https://a.org/");
  large.method = "POST";
  large.body = std::string(10'001, 'x');
  const auto refused = calls.start(large, "*", clock.now() + seconds(5), clock, {});
  EXPECT_EQ(calls.next_answered(), refused);
  EXPECT_NE(calls.answer(refused)->find("too much is on its way"), std::string::npos);
  EXPECT_TRUE(net.asked.empty());
  ASSERT_TRUE(fetcher->hold(10'000)) << "of other calls";
  large.body.resize(6'000);
  const auto crowded = calls.start(large, "*", clock.now() + seconds(5), clock, {});
  EXPECT_EQ(calls.next_answered(), crowded);
  EXPECT_NE(calls.answer(crowded)->find("too much is on its way"), std::string::npos);
}

}  // namespace
}  // namespace canopy::js
