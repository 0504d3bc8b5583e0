#include "net/http_client.h"

#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include "net/loopback.h"
#include "net/server_thread.h"
#include "net/url.h"

namespace canopy::net {
namespace {

HttpClientRequest to(const std::string& url, std::string method = "GET", std::string target = "/") {
  HttpClientRequest request;
  request.url = url;
  request.method = std::move(method);
  request.target = std::move(target);
  return request;
}

// A server of a few bytes: says `answer` to whoever comes once, after it read something.
class Canned {
 public:
  explicit Canned(std::string answer, bool reads = true) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CANOPY_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CANOPY_CHECK(::listen(listener_, 1) == 0);
    CANOPY_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, answer = std::move(answer), reads] {
      pollfd entry{listener_, POLLIN, 0};
      if (::poll(&entry, 1, 10'000) <= 0) return;
      const int client = ::accept(listener_, nullptr, nullptr);
      std::array<char, 65536> bytes{};
      if (reads) ::recv(client, bytes.data(), bytes.size(), 0);
      ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::shutdown(client, SHUT_WR);
      while (::recv(client, bytes.data(), bytes.size(), 0) > 0) {
      }
      ::close(client);
    });
  }
  ~Canned() {
    thread_.join();
    ::close(listener_);
  }
  Canned(const Canned&) = delete;
  Canned& operator=(const Canned&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

TEST(HttpClient, SendsAndReceives) {
  ServerThread server(echo);
  auto request = to(server.url(), "POST", "/a?b=c");
  request.body = "hello";
  const auto response = send(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->header("content-TYPE"), "text/plain");
  EXPECT_EQ(response->header("absent"), "");
  EXPECT_EQ(response->body, "POST /a?b=c body=hello");
}

TEST(HttpClient, SendsItsHeadersAndNoForgedFrame) {
  ServerThread server([](HttpExchange& exchange) {
    HttpResponse response;
    for (const auto& [name, value] : exchange.request().headers) {
      response.body.append(name).append("=").append(value).append(";");
    }
    return reply(std::move(response));
  });
  auto request = to(server.url() + "/");
  request.headers = {
      {"X-One", "1"}, {"host", "evil"}, {"Transfer-Encoding", "chunked"}, {"User-Agent", "me"}};
  const auto response = send(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "Host=" + server.url().substr(7) + ";X-One=1;User-Agent=me;Connection=close;");
}

TEST(HttpClient, PutsThePathOfTheUrlBeforeTheTarget) {
  ServerThread server(echo);
  const auto response = send(to(server.url() + "/base/", "GET", "/x"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "GET /base/x? body=");
}

TEST(HttpClient, HeadHasNoBody) {
  ServerThread server(echo);
  const auto response = send(to(server.url(), "HEAD"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(response->header("Content-Length"), "13");
}

TEST(HttpClient, SendsLargeBodiesWhereTheyAreWanted) {
  ServerThread server(echo, {}, 10'000'000);
  auto request = to(server.url(), "PUT");
  request.body.assign(9'000'000, 'x');
  const auto response = send(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body.size(), 12U + 9'000'000U);
}

TEST(HttpClient, HearsThatALargeBodyIsRefused) {
  ServerThread server(echo, {}, 1000);
  for (const std::size_t size : {2'000U, 900'000U, 90'000'000U}) {
    auto request = to(server.url(), "PUT");
    request.body.assign(size, 'x');
    const auto response = send(request);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 413);
  }
}

TEST(HttpClient, SaysThatNobodyListens) {
  std::string url;
  {
    const ServerThread server(echo);
    url = server.url();
  }
  const auto response = send(to(url));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::unavailable);
  EXPECT_EQ(response.error().message, "cannot connect to " + url + ": connection refused");
}

TEST(HttpClient, SaysThatTheHostIsUnknown) {
  const auto response = send(to("http://no-such-host.invalid:80"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::unavailable);
  EXPECT_NE(response.error().message.find("\"no-such-host.invalid\" is not known"), std::string::npos);
}

// A name that answers with a public address when it is judged, and with a private one when it is connected
// to, finds nothing: there is one answer, and each of its addresses is judged.
TEST(HttpClient, AsksANameOnceAndConnectsToTheVeryAddressThatWasJudged) {
  std::atomic<int> reached = 0;
  const ServerThread server([&reached](HttpExchange& exchange) {
    ++reached;
    return echo(exchange);
  });
  const std::string port = server.url().substr(server.url().rfind(':'));
  int asked = 0;
  std::vector<asio::ip::address> answer = {asio::ip::make_address("127.0.0.1")};
  auto request = to("http://rebinding.test" + port);
  request.ask_addresses = [&](const std::string& host) {
    EXPECT_EQ(host, "rebinding.test");
    return ++asked == 1 ? answer : std::vector{asio::ip::make_address("192.168.0.1")};
  };
  const auto allowed = send(request);
  ASSERT_TRUE(allowed) << allowed.error().message;
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(reached, 1);
  request.public_only = true;
  const std::vector<std::vector<std::string>> hidden = {
      {"127.0.0.1"},       {"::1"},     {"::ffff:127.0.0.1"},
      {"10.0.0.1", "::1"}, {"0.0.0.0"}, {"169.254.169.254", "fe80::1", "64:ff9b::7f00:1"}};
  for (const auto& addresses : hidden) {
    asked = 0;
    answer.clear();
    for (const auto& address : addresses) answer.push_back(asio::ip::make_address(address));
    const auto refused = send(request);
    ASSERT_FALSE(refused) << addresses.front();
    EXPECT_EQ(refused.error().code, Code::forbidden) << refused.error().message;
    EXPECT_EQ(asked, 1);
  }
  EXPECT_EQ(reached, 1);
}

TEST(HttpClient, WaitsForANameNoLongerThanItsDeadline) {
  std::promise<void> go_on;
  auto request = to("http://slow.test");
  request.timeout = std::chrono::milliseconds(20);
  request.ask_addresses = [wait = go_on.get_future().share()](const std::string&) {
    wait.wait();
    return std::vector<asio::ip::address>();
  };
  const auto response = send(request);
  go_on.set_value();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::deadline);
  EXPECT_NE(response.error().message.find("\"slow.test\" was not looked up in time"), std::string::npos);
}

TEST(HttpClient, GivesUpAtItsDeadline) {
  std::function<void()> go_on;
  const ServerThread server([&go_on](HttpExchange& exchange) {
    exchange.on_client_gone([&go_on] { go_on(); });
    return wait_for(exchange, go_on);
  });
  auto request = to(server.url());
  request.timeout = std::chrono::milliseconds(50);
  const auto response = send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::deadline);
  EXPECT_EQ(response.error().message, server.url() + " did not answer within 50ms");
}

TEST(HttpClient, RefusesWhatCannotBeSent) {
  const auto fails = [](const HttpClientRequest& request, const std::string& part) {
    const auto response = send(request);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Code::invalid);
    EXPECT_NE(response.error().message.find(part), std::string::npos) << response.error().message;
  };
  const ServerThread server(echo);
  fails(to("ftp://h"), "begin with http:// or https://");
  fails(to("127.0.0.1:80"), "begin with http:// or https://");
  fails(to("http://"), "host is malformed");
  fails(to("http://a b"), "host is malformed");
  fails(to("http://user@h"), "host is malformed");
  fails(to("http://h:0"), "1 to 65535");
  fails(to("http://h:65536"), "1 to 65535");
  fails(to("http://h:"), "1 to 65535");
  fails(to("http://h:8o"), "1 to 65535");
  fails(to("http://[::1"), "bracket");
  fails(to("http://[::1]x"), "malformed");
  fails(to(server.url(), "GE T"), "not an HTTP method");
  fails(to(server.url(), "GET", "/a b"), "percent-encoded");
  fails(to(server.url(), "GET", "/a\r\nX: y"), "percent-encoded");
  fails(to(server.url(), "GET", ""), "cannot be asked for");
  auto request = to(server.url());
  request.headers = {{"X", "a\r\nY: b"}};
  fails(request, "a header cannot have the name \"X\"");
}

TEST(HttpClient, ReadsWhatOtherServersSay) {
  struct Case {
    std::string answer;
    int status;
    std::string body;
  };
  const std::vector<Case> cases = {
      {"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end"},
      {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 "
       "N\r\nContent-Length: 2\r\n\r\nno",
       404, "no"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: v\r\n\r\n", 200,
       "abcde"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0, ""},
      {"SSH-2.0-OpenSSH_9.2\r\n", 0, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 0, ""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 0, ""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nab\r\n", 0, ""},
      {"HTTP/1.1 200 OK\r\nA: " + std::string(600'000, 'a'), 0, ""},
      {"HTTP/1.1 200 O", 0, ""},
      {"", 0, ""}};
  for (const auto& [answer, status, body] : cases) {
    SCOPED_TRACE(answer.substr(0, 100));
    const Canned server(answer);
    const auto response = send(to(server.url()));
    EXPECT_EQ(response ? response->status : 0, status);
    EXPECT_EQ(response ? response->body : "", body);
    if (!response) EXPECT_TRUE(response.error().message.find(server.url()) != std::string::npos);
  }
}

TEST(HttpClient, BoundsTheResponse) {
  ServerThread server([](HttpExchange&) {
    HttpResponse response;
    response.body.assign(2000, 'x');
    return reply(std::move(response));
  });
  auto request = to(server.url());
  request.response_bytes_max = 2000;
  EXPECT_TRUE(send(request));
  request.response_bytes_max = 1999;
  const auto response = send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::too_large);
  EXPECT_NE(response.error().message.find("the limit of 1999B"), std::string::npos)
      << response.error().message;
}

Task<HttpResponse> count_up(HttpExchange& exchange, int* sent) {
  HttpResponse head;
  head.content_type = "text/event-stream";
  bool goes_on = co_await exchange.start_stream(std::move(head));
  for (int i = 0; goes_on && i < 100'000; ++i) {
    const auto event = "data: " + std::to_string(i) + "\r\n\n";
    goes_on = co_await exchange.write(event);
    *sent = i + 1;
  }
  co_return HttpResponse();
}

TEST(HttpClient, StreamsLinesUntilItHasEnough) {
  int sent = 0;
  std::vector<std::string> lines;
  {
    const ServerThread server([&sent](HttpExchange& exchange) { return count_up(exchange, &sent); });
    const auto response = stream_lines(to(server.url()), [&lines](std::string_view line) {
      lines.emplace_back(line);
      return lines.size() < 5;
    });
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "");
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"data: 0", "", "data: 1", "", "data: 2"}));
  EXPECT_LT(sent, 100'000);
}

TEST(HttpClient, StreamsAnUnfinishedLastLine) {
  const Canned server("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\n\ntwo");
  std::vector<std::string> lines;
  const auto response = stream_lines(to(server.url()), [&lines](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two"}));
}

TEST(HttpClient, KeepsTheBodyOfAStreamThatFailed) {
  const Canned server("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
  const auto response = stream(to(server.url()), [](std::string_view) {
    ADD_FAILURE() << "this is no stream";
    return true;
  });
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "gone");
}

TEST(Url, ReadsItsParts) {
  const auto url = parse_url("https://[::1]:8443/base/");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->is_https);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->authority, "[::1]:8443");
  EXPECT_EQ(url->path, "/base");
  EXPECT_EQ(url->text, "https://[::1]:8443");
  EXPECT_EQ(parse_url("http://h")->port, "80");
  EXPECT_EQ(parse_url("https://h/")->port, "443");
}

}  // namespace
}  // namespace canopy::net
