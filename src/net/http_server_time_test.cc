// Time, limits and the end of a server.

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "net/loopback.h"

namespace canopy::net {
namespace {

using std::chrono::seconds;

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

TEST(HttpServerTime, EndsAnIdleConnectionInSilence) {
  Loopback loopback(echo);
  auto fresh = loopback.connect();
  auto used = loopback.connect();
  used.send(get);
  ASSERT_TRUE(loopback.until_received(used, "body="));
  loopback.settle();
  loopback.pass(seconds(74));
  loopback.settle();
  fresh.read();
  EXPECT_FALSE(fresh.ended);
  loopback.pass(seconds(1));
  EXPECT_TRUE(loopback.until_ended(fresh));
  EXPECT_TRUE(loopback.until_ended(used));
  EXPECT_EQ(fresh.received, "");
  EXPECT_EQ(used.count("HTTP/1.1"), 1U);
}

TEST(HttpServerTime, SaysWhenHalfOfACrowdHasLeft) {
  int left_count = 0;
  HttpServerOptions options = Loopback::default_options();
  options.crowd = 8;
  options.on_crowd_left = [&left_count] { ++left_count; };
  Loopback loopback(echo, options);
  const auto come_and_go = [&loopback](std::size_t count) {
    std::vector<decltype(loopback.connect())> clients;
    for (std::size_t i = 0; i < count; ++i) clients.push_back(loopback.connect());
    ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == count; }));
    for (std::size_t left = count; left > 0; --left) {
      clients.pop_back();
      ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == left - 1; }));
    }
  };
  come_and_go(7);  // No crowd.
  EXPECT_EQ(left_count, 0);
  come_and_go(16);  // At 8, and at 4; after that there is no crowd.
  EXPECT_EQ(left_count, 2);
  come_and_go(8);
  EXPECT_EQ(left_count, 3);
}

TEST(HttpServerTime, RefusesASlowHead) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send("GET / HT");
  loopback.settle();
  for (int i = 0; i < 9; ++i) {  // More of it puts nothing off.
    loopback.pass(seconds(1));
    client.send("T");
    loopback.settle();
    client.read();
    ASSERT_EQ(client.received, "");
  }
  loopback.pass(seconds(1));
  ASSERT_TRUE(loopback.until_received(client, "}}\n"));
  EXPECT_EQ(client.status(), 408);
  EXPECT_EQ(client.count("Connection: close\r\n"), 1U);
  EXPECT_EQ(client.count(R"("code":"slow_client","message":"the head of the request took longer than 10s")"),
            1U);
  EXPECT_EQ(loopback.server->counts().requests, 0U);
}

TEST(HttpServerTime, CountsEmptyLinesAsTheHead) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send("\r\n");
  loopback.settle();
  loopback.pass(seconds(10));
  ASSERT_TRUE(loopback.until_received(client, "}}\n"));
  EXPECT_EQ(client.status(), 408);
}

TEST(HttpServerTime, RefusesASlowBody) {
  HttpServerOptions options = Loopback::default_options();
  options.client_rate = 0;
  Loopback loopback(echo, options);
  auto client = loopback.connect();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  loopback.settle();
  loopback.pass(seconds(29));
  client.send(std::string(2000, 'x'));  // That is a piece: the time begins anew.
  loopback.settle();
  loopback.pass(seconds(29));
  client.send("x");  // That is none.
  loopback.settle();
  client.read();
  EXPECT_EQ(client.received, "");
  loopback.pass(seconds(1));
  ASSERT_TRUE(loopback.until_received(client, "}}\n"));
  EXPECT_EQ(client.status(), 408);
  EXPECT_EQ(client.count("the body of the request stopped coming for 30s"), 1U);
}

TEST(HttpServerTime, RefusesABodyThatTricklesForEver) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  loopback.settle();
  for (int i = 0; i < 2; ++i) {  // A piece in time, twice; at 1 KiB a second it is worth 2 s.
    loopback.pass(seconds(15));
    client.send(std::string(1024, 'x'));
    loopback.settle();
    client.read();
    ASSERT_EQ(client.received, "");
  }
  loopback.pass(seconds(3));
  ASSERT_TRUE(loopback.until_received(client, "}}\n"));
  EXPECT_EQ(client.status(), 408);
  EXPECT_EQ(client.count("the body of the request comes slower than 1KiB a second"), 1U);
}

TEST(HttpServerTime, TakesABodyThatIsSlowButComes) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  constexpr int count = 100;
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(count * 2048) + "\r\n\r\n");
  for (int i = 0; i < count; ++i) {
    loopback.settle();
    loopback.pass(seconds(2));
    client.send(std::string(2048, 'x'));
  }
  ASSERT_TRUE(loopback.until_received(client, "body="));
  EXPECT_EQ(client.status(), 200);
}

TEST(HttpServerTime, ClosesAClientThatTakesItsResponseTooSlowly) {
  const std::string body(40'000'000, 'x');
  HttpServerOptions options = Loopback::default_options();
  options.client_rate = GiB;
  Loopback loopback(
      [&body](HttpExchange&) {
        HttpResponse response;
        response.body = body;
        return reply(std::move(response));
      },
      options);
  RawClient client(loopback.server->port(), 4096);
  client.send(get);
  for (const std::size_t wanted : {5 * MiB, 10 * MiB}) {  // Always some, in time.
    loopback.settle();
    loopback.pass(seconds(11));
    ASSERT_TRUE(loopback.until([&] {
      client.read();
      return client.received.size() >= wanted;
    }));
  }
  loopback.settle();
  EXPECT_EQ(loopback.server->connection_count(), 1U);
  loopback.pass(seconds(11));
  loopback.settle();
  EXPECT_EQ(loopback.server->connection_count(), 0U);
}

// ---- Room for bodies.

TEST(HttpServerRoom, RefusesABodyForWhichThereIsNone) {
  HttpServerOptions options = Loopback::default_options();
  options.body_room = std::make_shared<BodyRoom>(100'000);
  const auto& room = *options.body_room;
  Loopback loopback(echo, options);
  const auto begin = [&](std::size_t size) {
    auto client = loopback.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
    return client;
  };
  auto first = begin(100'000);
  first.send(std::string(60'000, 'x'));
  loopback.settle();
  EXPECT_EQ(room.bytes, 60'000 - free_body_bytes);
  auto second = begin(100'000);
  second.send(std::string(99'999, 'x'));
  ASSERT_TRUE(loopback.until_received(second, "}}\n"));
  EXPECT_EQ(second.status(), 503);
  EXPECT_EQ(second.count("Retry-After: 1\r\n"), 1U);
  auto small = begin(10'000);  // It passes however full it is.
  small.send(std::string(10'000, 'x'));
  ASSERT_TRUE(loopback.until_received(small, "body="));
  EXPECT_EQ(small.status(), 200);
  first.send(std::string(40'000, 'x'));
  ASSERT_TRUE(loopback.until_received(first, "body="));
  EXPECT_EQ(first.status(), 200);
  EXPECT_TRUE(loopback.until([&] {
    first.read();
    return room.bytes == 0U;
  })) << "once it is answered whole";
}

TEST(HttpServerRoom, IsGivenBackByClientsThatLeave) {
  HttpServerOptions options = Loopback::default_options();
  options.body_room = std::make_shared<BodyRoom>(100'000);
  Loopback loopback(echo, options);
  auto client = loopback.connect();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + std::string(50'000, 'x'));
  loopback.settle();
  EXPECT_GT(options.body_room->bytes, 0U);
  client.break_off();
  loopback.settle();
  EXPECT_EQ(loopback.server->connection_count(), 0U);
  EXPECT_EQ(options.body_room->bytes, 0U);
}

TEST(HttpServerTime, ClosesAClientThatDoesNotRead) {
  const std::string body(20'000'000, 'x');
  Loopback loopback([&body](HttpExchange&) {
    HttpResponse response;
    response.body = body;
    return reply(std::move(response));
  });
  RawClient client(loopback.server->port(), 4096);
  client.send(get);
  loopback.settle();
  EXPECT_EQ(loopback.server->connection_count(), 1U);
  loopback.pass(seconds(29));
  loopback.settle();
  EXPECT_EQ(loopback.server->connection_count(), 1U);
  loopback.pass(seconds(1));
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpServerTime, LetsASlowReaderGoOn) {
  const std::string body(8'000'000, 'x');
  Loopback loopback([&body](HttpExchange&) {
    HttpResponse response;
    response.body = body;
    return reply(std::move(response));
  });
  auto client = loopback.connect();
  client.send(get);
  loopback.settle();
  for (int i = 0; i < 200 && client.received.size() < body.size(); ++i) {
    client.read();
    loopback.step();
    loopback.pass(seconds(20));
  }
  loopback.until([&] {
    client.read();
    return client.body().size() == body.size();
  });
  EXPECT_EQ(client.body().size(), body.size());
}

TEST(HttpServerTime, WaitsForAHandlerWithoutEnd) {
  asio::io_context* io = nullptr;
  std::function<void()> go_on;
  Loopback loopback([&](HttpExchange& exchange) {
    io = &exchange.io();
    return wait_for(exchange, go_on);
  });
  auto client = loopback.connect();
  client.send(get);
  loopback.settle();
  loopback.pass(seconds(100'000));
  loopback.settle();
  EXPECT_EQ(io, &loopback.io);
  ASSERT_TRUE(go_on);
  go_on();
  EXPECT_TRUE(loopback.until_received(client, "HTTP/1.1 200"));
}

TEST(HttpServerTime, SendsWhatIsAnsweredWhileTheNextHandlerWaits) {
  std::function<void()> go_on;
  Loopback loopback([&](HttpExchange& exchange) {
    return exchange.request().path == "/wait" ? wait_for(exchange, go_on) : echo(exchange);
  });
  auto client = loopback.connect();
  client.send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /wait HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: "
      "h\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "GET /1? body="));
  loopback.settle();
  client.read();
  EXPECT_EQ(client.count("HTTP/1.1"), 1U);
  go_on();
  ASSERT_TRUE(loopback.until_received(client, "GET /3? body="));
}

TEST(HttpServerTime, SweepsByItself) {
  auto options = Loopback::default_options();
  options.sweep_period = std::chrono::milliseconds(1);
  Loopback loopback(echo, options);
  auto client = loopback.connect();
  loopback.until([&] { return loopback.server->connection_count() == 1; });
  loopback.clock.advance(seconds(80));
  EXPECT_TRUE(loopback.until_ended(client));
}

TEST(HttpServerLimits, ClosesOneConnectionTooManyAtOnce) {
  auto options = Loopback::default_options();
  options.connections_max = 2;
  Loopback loopback(echo, options);
  auto first = loopback.connect();
  auto second = loopback.connect();
  loopback.settle();
  auto third = loopback.connect();
  EXPECT_TRUE(loopback.until_ended(third));
  EXPECT_EQ(loopback.server->connection_count(), 2U);
  EXPECT_EQ(loopback.server->counts().connections_accepted, 3U);
  EXPECT_EQ(loopback.server->counts().connections_refused, 1U);
  first.leave();
  ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 1; }));
  auto fourth = loopback.connect();
  fourth.send(get);
  EXPECT_TRUE(loopback.until_received(fourth, "body="));
}

TEST(HttpServerLimits, PausesWhenThereAreNoDescriptors) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "UndefinedBehaviorSanitizer itself needs descriptors, and reports their lack as a bug";
#endif
  Loopback loopback(echo);
  auto client = loopback.connect();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  client.send(get);
  loopback.settle();  // Would never end if it tried again and again.
  EXPECT_EQ(loopback.server->connection_count(), 0U);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  loopback.pass(seconds(1));
  EXPECT_TRUE(loopback.until_received(client, "body="));
}

TEST(HttpServerEnd, StopsIdleConnectionsAndFinishesTheOthers) {
  std::function<void()> go_on;
  Loopback loopback([&](HttpExchange& exchange) { return wait_for(exchange, go_on); });
  auto idle = loopback.connect();
  auto busy = loopback.connect();
  auto reading = loopback.connect();
  reading.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  busy.send(std::string(get) + std::string(get));
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(go_on); }));
  loopback.settle();
  const auto finish_busy = std::exchange(go_on, nullptr);
  loopback.server->stop();
  EXPECT_TRUE(loopback.until_ended(idle));
  RawClient late(loopback.server->port());
  EXPECT_TRUE(loopback.until_ended(late));
  finish_busy();
  EXPECT_TRUE(loopback.until_ended(busy));
  EXPECT_EQ(busy.count("HTTP/1.1 200"), 1U);
  EXPECT_EQ(busy.count("Connection: close\r\n"), 1U);
  EXPECT_EQ(loopback.server->connection_count(), 1U);
  reading.send("cde");
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(go_on); }));
  go_on();
  EXPECT_TRUE(loopback.until_ended(reading));
  EXPECT_EQ(reading.count("Connection: close\r\n"), 1U);
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpServerEnd, StopEndsAConnectionThatHasNotBegun) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  loopback.until([&] { return loopback.server->connection_count() == 1; });
  loopback.server->stop();
  EXPECT_TRUE(loopback.until_ended(client));
  EXPECT_EQ(loopback.server->connection_count(), 0U);
}

TEST(HttpServerEnd, AbortClosesAtOnceAndTellsTheHandler) {
  std::function<void()> go_on;
  bool is_gone = false;
  Loopback loopback([&](HttpExchange& exchange) {
    exchange.on_client_gone([&is_gone, &go_on] {
      is_gone = true;
      go_on();
    });
    return wait_for(exchange, go_on);
  });
  auto client = loopback.connect();
  client.send(get);
  auto half = loopback.connect();
  half.send("GET / HT");
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(go_on); }));
  loopback.settle();
  loopback.server->abort();
  EXPECT_TRUE(loopback.until_ended(client));
  EXPECT_TRUE(loopback.until_ended(half));
  EXPECT_EQ(client.received, "");
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
  EXPECT_TRUE(is_gone);
}

TEST(HttpServerEnd, MayBeDestroyedBeforeItsConnections) {
  std::function<void()> go_on;
  Loopback loopback([&](HttpExchange& exchange) { return wait_for(exchange, go_on); });
  auto client = loopback.connect();
  auto idle = loopback.connect();
  client.send(get);
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(go_on); }));
  loopback.server.reset();
  EXPECT_TRUE(loopback.until_ended(client));
  EXPECT_TRUE(loopback.until_ended(idle));
  go_on();
  loopback.settle();
}

TEST(HttpServerEnd, TheIoContextMayEndFirst) {
  std::function<void()> go_on;
  Loopback loopback([&](HttpExchange& exchange) { return wait_for(exchange, go_on); });
  auto client = loopback.connect();
  auto idle = loopback.connect();
  client.send(get);
  ASSERT_TRUE(loopback.until([&] { return static_cast<bool>(go_on); }));
  go_on = nullptr;  // Nobody resumes the handler: its frame goes with the io_context.
}

}  // namespace
}  // namespace canopy::net
