// What a handler can do with its exchange: stream, and learn that the client left.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "net/loopback.h"

namespace canopy::net {
namespace {

using namespace std::string_literals;

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

Task<HttpResponse> stream_pieces(HttpExchange& exchange, std::vector<std::string> pieces, std::string* log) {
  HttpResponse head;
  head.content_type = "text/event-stream";
  head.body = "ignored";
  const bool began = co_await exchange.start_stream(std::move(head));
  log->append(began ? "began;" : "gone;");
  for (const auto& piece : pieces) {
    const bool sent = co_await exchange.write(piece);
    log->append(sent ? "sent;" : "gone;");
  }
  HttpResponse ignored;
  ignored.status = 500;
  co_return ignored;
}

HttpHandler streamer(std::vector<std::string> pieces, std::string* log) {
  return [pieces, log](HttpExchange& exchange) { return stream_pieces(exchange, pieces, log); };
}

TEST(HttpExchange, StreamsInChunks) {
  std::string log;
  Loopback loopback(streamer({"one", "", std::string(20'000, 'x'), "end"}, &log));
  auto client = loopback.connect();
  client.send(std::string(get) + std::string(get));
  ASSERT_TRUE(loopback.until_received(client, "\r\n0\r\n\r\n", 2));
  EXPECT_EQ(log, "began;sent;sent;sent;sent;began;sent;sent;sent;sent;");
  EXPECT_EQ(client.count("Transfer-Encoding: chunked\r\n"), 2U);
  EXPECT_EQ(client.count("Content-Length"), 0U);
  EXPECT_TRUE(client.body().starts_with("3\r\none\r\n4e20\r\n" + std::string(20'000, 'x') +
                                        "\r\n3\r\nend\r\n0\r\n\r\nHTTP/1.1 200"));
}

TEST(HttpExchange, StreamsToHttp10UntilTheEnd) {
  std::string log;
  Loopback loopback(streamer({"one", "two"}, &log));
  auto client = loopback.connect();
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(loopback.until_ended(client));
  EXPECT_EQ(client.body(), "onetwo");
  EXPECT_EQ(client.count("Connection: close\r\n"), 1U);
  EXPECT_EQ(client.count("chunked"), 0U);
}

TEST(HttpExchange, StreamsNoBodyToHead) {
  std::string log;
  Loopback loopback(streamer({"one", "two"}, &log));
  auto client = loopback.connect();
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "\r\n\r\n"));
  loopback.settle();
  client.read();
  EXPECT_EQ(client.body(), "");
  EXPECT_EQ(log, "began;sent;sent;");
  client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(loopback.until_ended(client));
  EXPECT_TRUE(client.received.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
}

TEST(HttpExchange, SaysWhenTheClientOfAStreamIsGone) {
  std::string log;
  std::vector<std::string> pieces(100, std::string(1'000'000, 'x'));
  Loopback loopback(streamer(pieces, &log));
  auto client = loopback.connect();
  client.send(get);
  ASSERT_TRUE(loopback.until_received(client, "xxx"));
  client.break_off();
  ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
  EXPECT_TRUE(log.ends_with("gone;")) << log;
}

Task<HttpResponse> begin_twice(HttpExchange& exchange, std::vector<bool>* results) {
  const bool wrote_first = co_await exchange.write("too early");
  HttpResponse head;
  const bool began = co_await exchange.start_stream(head);
  const bool began_again = co_await exchange.start_stream(head);
  *results = {wrote_first, began, began_again};
  co_return head;
}

TEST(HttpExchange, AStreamCannotBeginTwice) {
  std::vector<bool> results;
  Loopback loopback([&results](HttpExchange& exchange) { return begin_twice(exchange, &results); });
  const auto received = loopback.exchange(get);
  EXPECT_EQ(results, (std::vector<bool>{false, true, false}));
  EXPECT_TRUE(received.ends_with("\r\n\r\n0\r\n\r\n"));
}

struct Gone {
  int count = 0;
  std::function<void()> go_on;
};

HttpHandler watching(Gone* gone) {
  return [gone](HttpExchange& exchange) {
    exchange.on_client_gone([gone] { ++gone->count; });
    return wait_for(exchange, gone->go_on);
  };
}

TEST(HttpExchange, SaysThatTheClientLeft) {
  for (const bool breaks : {false, true}) {
    Gone gone;
    Loopback loopback(watching(&gone));
    auto client = loopback.connect();
    client.send(get);
    ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(gone.go_on); }));
    loopback.settle();
    EXPECT_EQ(gone.count, 0);
    breaks ? client.break_off() : client.leave();
    EXPECT_TRUE(loopback.until([&] { return gone.count == 1; }));
    gone.go_on();
    EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
    EXPECT_EQ(gone.count, 1);
  }
}

TEST(HttpExchange, TakesAPipelinedRequestForNoFarewell) {
  Gone gone;
  Loopback loopback(watching(&gone));
  auto client = loopback.connect();
  client.send(get);
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(gone.go_on); }));
  client.send(get);
  loopback.settle();
  loopback.pass(std::chrono::seconds(1));
  loopback.settle();
  EXPECT_EQ(gone.count, 0);
  std::exchange(gone.go_on, nullptr)();
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(gone.go_on); }));
  gone.go_on();
  EXPECT_TRUE(loopback.until_received(client, "HTTP/1.1 200", 2));
  EXPECT_EQ(gone.count, 0);
}

TEST(HttpExchange, NoticesABreakBehindAPipelinedRequest) {
  Gone gone;
  Loopback loopback(watching(&gone));
  auto client = loopback.connect();
  client.send(get);
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(gone.go_on); }));
  client.send(get);
  loopback.settle();
  client.break_off();
  loopback.settle();
  loopback.pass(std::chrono::seconds(1));
  EXPECT_TRUE(loopback.until([&] { return gone.count == 1; }));
  gone.go_on();
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpExchange, TheWatchCanBeTakenBackAndSetAgain) {
  Gone gone;
  HttpExchange* exchange = nullptr;
  Loopback loopback([&](HttpExchange& present) {
    exchange = &present;
    present.on_client_gone([&gone] { gone.count += 100; });
    return wait_for(present, gone.go_on);
  });
  auto client = loopback.connect();
  client.send(get);
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(gone.go_on); }));
  loopback.settle();
  exchange->on_client_gone(nullptr);
  exchange->on_client_gone([&gone] { ++gone.count; });
  loopback.settle();
  exchange->on_client_gone(nullptr);
  loopback.settle();
  client.leave();
  loopback.settle();
  EXPECT_EQ(gone.count, 0);
  exchange->on_client_gone([&gone] { ++gone.count; });  // It left before: said at once.
  EXPECT_TRUE(loopback.until([&] { return gone.count == 1; }));
  gone.go_on();
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpExchange, TheWatchEndsWithTheAnswer) {
  Gone gone;
  Loopback loopback(watching(&gone));
  auto client = loopback.connect();
  client.send(get);
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(gone.go_on); }));
  gone.go_on();
  ASSERT_TRUE(loopback.until_received(client, "HTTP/1.1 200"));
  client.leave();
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
  EXPECT_EQ(gone.count, 0);
}

TEST(HttpExchange, HeadersThatCouldSplitTheResponseAreDropped) {
  Loopback loopback([](HttpExchange&) {
    HttpResponse response;
    response.content_type = "text/plain\r\nX-Evil: 1";
    response.headers = {{"X-Good", "yes"},
                        {"X-A", "b\r\nX-Evil: 2"},
                        {"X-B\r\nX-Evil", "3"},
                        {"X C", "4"},
                        {"", "5"},
                        {"X-D:", "6"},
                        {"X-E", "7\0"s},
                        {"X-F", "8\n"},
                        {"Content-Length", "9"},
                        {"transfer-encoding", "chunked"},
                        {"Date", "yesterday"},
                        {"Keep-Alive", "1"},
                        {"X-Last", "\xc3\xa9\t"}};
    return reply(std::move(response));
  });
  const auto received = loopback.exchange(get);
  EXPECT_EQ(received,
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:01 GMT\r\nX-Good: yes\r\nX-Last: \xc3\xa9\t\r\n"
            "Content-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace canopy::net
