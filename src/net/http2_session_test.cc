#include "net/http2_session.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "net/connection.h"
#include "net/http2_raw_client.h"
#include "net/loopback.h"

namespace canopy::net {
namespace {

using std::chrono::seconds;

TEST(Http2, AnswersARequest) {
  Loopback loopback(echo);
  Http2RawClient client(loopback);
  const auto id = client.ask("POST", "/a?x=1", "hello");
  ASSERT_TRUE(client.until_ended(id));
  auto& answer = client.answers[id];
  EXPECT_EQ(answer.body, "POST /a?x=1 body=hello");
  EXPECT_EQ(answer.fields[":status"], "200");
  EXPECT_EQ(answer.fields["content-type"], "text/plain");
  EXPECT_EQ(answer.fields["content-length"], "22");
  EXPECT_EQ(answer.fields["date"], "Thu, 01 Jan 1970 00:00:01 GMT");
  EXPECT_EQ(answer.closed_by, 0U);
  EXPECT_EQ(loopback.server->counts().requests, 1U);
}

TEST(Http2, ShowsTheHandlerTheHostAndHeaders) {
  std::string seen;
  Loopback loopback([&seen](HttpExchange& exchange) {
    seen.append(exchange.request().header("Host")).append(" ").append(exchange.request().header("X-One"));
    seen.append(" ").append(exchange.request().peer.substr(0, 10));
    return reply(HttpResponse());
  });
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/", "", {{"host", "other"}, {"x-one", "1"}});
  ASSERT_TRUE(client.until_ended(id));
  EXPECT_EQ(seen, "h 1 127.0.0.1:");
}

TEST(Http2, SendsTrailersBehindTheBody) {
  Loopback loopback([](HttpExchange& exchange) {
    HttpResponse response;
    response.content_type = "application/grpc";
    response.headers = {{"X-Upper", "Yes"}, {"Connection", "close"}, {"bad name", "x"}};
    response.own_lines = "X-Own: 1\r\n";
    response.body = exchange.request().body;
    response.trailers = {{"grpc-status", "0"}, {"grpc-message", "line\nbreak"}};
    return reply(std::move(response));
  });
  Http2RawClient client(loopback);
  for (const std::string body : {"", "abc"}) {
    const auto id = client.ask("POST", "/leaf.Leaf/ScheduleCall", body);
    ASSERT_TRUE(client.until_ended(id));
    auto& answer = client.answers[id];
    EXPECT_EQ(answer.body, body);
    EXPECT_EQ(answer.fields["x-upper"], "Yes");
    EXPECT_EQ(answer.fields["x-own"], "1");
    EXPECT_FALSE(answer.fields.contains("connection"));
    EXPECT_FALSE(answer.fields.contains("bad name"));
    EXPECT_EQ(answer.trailers["grpc-status"], "0");
    EXPECT_FALSE(answer.trailers.contains("grpc-message"));  // It could be read as another line.
  }
}

TEST(Http2, AnswersManyRequestsOfAConnectionAtOnceAndInAnyOrder) {
  std::vector<std::function<void()>> waiting(200);
  std::size_t count = 0;
  Loopback loopback([&](HttpExchange& exchange) { return wait_for(exchange, waiting[count++]); });
  Http2RawClient client(loopback);
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < waiting.size(); ++i) ids.push_back(client.ask("GET", "/"));
  ASSERT_TRUE(client.until([&] { return count == waiting.size(); }));
  EXPECT_EQ(loopback.server->connection_count(), 1U);
  for (std::size_t i = waiting.size(); i-- > 0;) {
    EXPECT_FALSE(client.answers[ids[i]].ended);
    waiting[i]();
    ASSERT_TRUE(client.until_ended(ids[i]));
    EXPECT_EQ(client.answers[ids[i]].fields[":status"], "200");
  }
}

TEST(Http2, SendsALargeBodyAsFastAsItIsTaken) {
  const std::string large(300'000, 'x');
  Loopback loopback([&large](HttpExchange&) {
    HttpResponse response;
    response.body = large;
    return reply(std::move(response));
  });
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/");
  const auto other = client.ask("GET", "/");
  ASSERT_TRUE(client.until_ended(id));
  ASSERT_TRUE(client.until_ended(other));
  EXPECT_EQ(client.answers[id].body, large);
  EXPECT_EQ(client.answers[other].body, large);
}

Task<HttpResponse> stream_three(HttpExchange& exchange) {
  HttpResponse head;
  co_await exchange.start_stream(std::move(head));
  for (const std::string_view piece : {"one ", "two ", "three"}) co_await exchange.write(piece);
  HttpResponse rest;
  rest.trailers = {{"grpc-status", "5"}};
  co_return rest;
}

// Responses of a round go out together, and at once where the first of them has waited long: then not without
// its body.
TEST(Http2, SendsAResponseWithItsBodyHoweverSoonItGoesOut) {
  Loopback* passing = nullptr;
  Loopback loopback([&passing](HttpExchange& exchange) {
    passing->clock.advance(std::chrono::milliseconds(1));
    return echo(exchange);
  });
  passing = &loopback;
  Http2RawClient first(loopback);
  Http2RawClient second(loopback);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::pair<Http2RawClient*, std::int32_t>> asked;
    for (Http2RawClient* const client : {&first, &second}) {
      for (int i = 0; i < 5; ++i) asked.emplace_back(client, client->ask("GET", "/a"));
      client->move();
    }
    for (const auto& [client, id] : asked) {
      ASSERT_TRUE(client->until_ended(id));
      EXPECT_EQ(client->answers[id].body, "GET /a? body=");
      EXPECT_EQ(client->answers[id].closed_by, 0U);
    }
  }
}

TEST(Http2, Streams) {
  Loopback loopback(stream_three);
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/");
  ASSERT_TRUE(client.until_ended(id));
  EXPECT_EQ(client.answers[id].body, "one two three");
  EXPECT_EQ(client.answers[id].trailers["grpc-status"], "5");
  EXPECT_FALSE(client.answers[id].fields.contains("content-length"));
}

TEST(Http2, AStreamWaitsForAClientThatDoesNotTakeIt) {
  std::size_t written = 0;
  const auto write_on = [](HttpExchange& exchange, std::size_t& count) -> Task<HttpResponse> {
    HttpResponse head;
    co_await exchange.start_stream(std::move(head));
    while (co_await exchange.write(std::string(1000, 'x'))) ++count;
    co_return HttpResponse();
  };
  Loopback loopback([&](HttpExchange& exchange) { return write_on(exchange, written); });
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/");
  client.move();  // And reads nothing more: the window of 64 KiB is never opened.
  ASSERT_TRUE(loopback.until([&] { return written > 60; }));
  loopback.settle();
  EXPECT_LT(written, 400U);
  const auto before = written;
  loopback.pass(seconds(31));  // It takes nothing for so long: the stream is reset, the handler ends.
  loopback.settle();
  EXPECT_EQ(written, before);
  ASSERT_TRUE(client.until_ended(id));
  EXPECT_EQ(client.answers[id].closed_by, std::uint32_t{NGHTTP2_CANCEL});
}

TEST(Http2, TellsAHandlerThatItsClientIsGone) {
  int come_count = 0;
  int gone_count = 0;
  std::function<void()> go_on;
  Loopback loopback([&](HttpExchange& exchange) {
    ++come_count;
    exchange.on_client_gone([&] {
      ++gone_count;
      go_on();
    });
    return wait_for(exchange, go_on);
  });
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/");
  ASSERT_TRUE(client.until([&] { return come_count == 1; }));
  client.reset(id);
  ASSERT_TRUE(client.until([&] { return gone_count == 1; }));
  client.ask("GET", "/");
  ASSERT_TRUE(client.until([&] { return come_count == 2; }));
  client.raw().break_off();  // The connection itself.
  ASSERT_TRUE(loopback.until([&] { return gone_count == 2; }));
  ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(Http2, TellsAHandlerThatAsksLateThatItsClientHasGone) {
  std::vector<HttpExchange*> came;
  std::vector<std::function<void()>> waiting(2);
  Loopback loopback([&](HttpExchange& exchange) {
    came.push_back(&exchange);
    return wait_for(exchange, waiting[came.size() - 1]);
  });
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/");
  ASSERT_TRUE(client.until([&] { return came.size() == 1; }));
  client.reset(id);
  client.ask("GET", "/");  // Once this is there, so is the reset before it.
  ASSERT_TRUE(client.until([&] { return came.size() == 2; }));
  bool is_gone = false;
  came.front()->on_client_gone([&] {
    is_gone = true;
    waiting.front()();
  });
  EXPECT_FALSE(is_gone) << "not before it has asked";
  EXPECT_TRUE(loopback.until([&] { return is_gone; }));
}

TEST(Http2, RefusesABodyPastItsLimitAndTakesNoMoreOfIt) {
  Loopback loopback(echo, Loopback::default_options(), 10);
  Http2RawClient client(loopback);
  const auto id = client.ask("POST", "/", std::string(11, 'x'), {}, false);
  ASSERT_TRUE(client.until([&] { return client.answers[id].body.ends_with("}}\n"); }));
  EXPECT_FALSE(client.answers[id].ended);  // It may still send, and see the answer after that.
  loopback.pass(seconds(3));
  ASSERT_TRUE(client.until_ended(id));
  EXPECT_EQ(client.answers[id].closed_by, std::uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_EQ(client.answers[id].fields[":status"], "413");
  EXPECT_NE(client.answers[id].body.find("larger than the limit of 10B"), std::string::npos);
  const auto next = client.ask("POST", "/", "small");  // The connection goes on.
  ASSERT_TRUE(client.until_ended(next));
  EXPECT_EQ(client.answers[next].body, "POST /? body=small");
}

TEST(Http2, CountsBodiesInTheRoomOfAll) {
  HttpServerOptions options = Loopback::default_options();
  options.body_room = std::make_shared<BodyRoom>(100'000);
  auto& room = *options.body_room;
  Loopback loopback(echo, options);
  Http2RawClient client(loopback);
  client.ask("POST", "/", std::string(60'000, 'x'), {}, false);
  ASSERT_TRUE(client.until([&] { return room.bytes >= 60'000 - free_body_bytes; }));
  EXPECT_LT(room.bytes, 61'000 - free_body_bytes) << "its head has some bytes, too";
  const auto second = client.ask("POST", "/", std::string(80'000, 'x'));
  ASSERT_TRUE(client.until_ended(second));
  EXPECT_EQ(client.answers[second].fields[":status"], "503");
  client.raw().break_off();
  ASSERT_TRUE(loopback.until([&] { return room.bytes == 0; }));
}

// What of each request is free is not so for a thousand requests of one connection.
TEST(Http2, CountsSmallBodiesAndHeadsOfManyStreams) {
  HttpServerOptions options = Loopback::default_options();
  options.body_room = std::make_shared<BodyRoom>(10'000'000);
  auto& room = *options.body_room;
  Loopback loopback(echo, options);
  Http2RawClient client(loopback);
  for (int i = 0; i < 40; ++i) client.ask("POST", "/", std::string(1000, 'x'), {}, false);
  ASSERT_TRUE(client.until([&] { return room.bytes >= 36 * 1000; }));
  Http2RawClient other(loopback);
  for (int i = 0; i < 40; ++i) {
    other.ask("POST", "/", "x", {{"a" + std::to_string(i), std::string(10'000, 'a')}}, false);
  }
  ASSERT_TRUE(other.until([&] { return room.bytes >= 36 * 11'000; }));
  client.raw().break_off();
  other.raw().break_off();
  ASSERT_TRUE(loopback.until([&] { return room.bytes == 0; }));
}

TEST(Http2, ResetsAStreamWhoseHeadIsTooLarge) {
  Loopback loopback(echo);
  Http2RawClient client(loopback);
  const auto id =
      client.ask("GET", "/", "", {{"a", std::string(10'000, 'a')}, {"b", std::string(10'000, 'b')}});
  ASSERT_TRUE(client.until_ended(id));
  EXPECT_NE(client.answers[id].closed_by, 0U);
  EXPECT_EQ(loopback.server->counts().requests, 0U);
}

TEST(Http2, HasAnEndForTheHeadsOfAllStreams) {
  Loopback loopback(echo);
  Http2RawClient client(loopback);
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 100; ++i) {  // Each may be; together they may not.
    const std::string name = "a" + std::to_string(i);
    ids.push_back(client.ask("POST", "/", "x", {{name, std::string(15'000, 'a')}}, false));
  }
  ASSERT_TRUE(client.until([&] { return client.answers[ids.back()].ended; }));
  std::size_t reset_count = 0;
  for (const auto id : ids) reset_count += client.answers[id].ended ? 1 : 0;
  EXPECT_GE(reset_count, 20U);
  EXPECT_LE(reset_count, 50U);
}

TEST(Http2, StartsNoHandlerWhileTooMuchIsUnsent) {
  int started = 0;
  Loopback loopback([&](HttpExchange&) {
    ++started;
    HttpResponse response;
    response.body = std::string(5 << 20, 'x');
    return reply(std::move(response));
  });
  Http2RawClient client(loopback);
  for (int i = 0; i < 20; ++i) client.ask("GET", "/");
  ASSERT_TRUE(client.until([&] { return started >= 4; }));
  EXPECT_LE(started, 5);
}

TEST(Http2, RefusesABodyThatStopsComing) {
  bool has_head = false;
  Loopback loopback(echo, Loopback::default_options(),
                    [&has_head](const HttpRequest&) -> Result<std::uint64_t> {
                      has_head = true;
                      return 100;
                    });
  Http2RawClient client(loopback);
  const auto slow = client.ask("POST", "/", "x", {}, false);
  ASSERT_TRUE(client.until([&] { return has_head; }));
  loopback.pass(seconds(31));
  ASSERT_TRUE(client.until([&] { return client.answers[slow].body.ends_with("}}\n"); }));
  EXPECT_EQ(client.answers[slow].fields[":status"], "408");
  EXPECT_FALSE(client.is_cut_off());
}

TEST(Http2, RefusesABodyThatComesTooSlowlyThoughItNeverStops) {
  HttpServerOptions options = Loopback::default_options();
  options.body_room = std::make_shared<BodyRoom>(10'000'000);
  const auto& room = *options.body_room;  // It tells what has come.
  Loopback loopback(echo, options);
  Http2RawClient client(loopback);
  for (int i = 0; i < 4; ++i) client.ask("POST", "/", "x", {}, false);  // Theirs are not counted.
  const auto slow = client.ask("POST", "/", std::string(1024, 'x'), {}, false);
  const auto fast = client.ask("POST", "/", std::string(1024, 'x'), {}, false);
  ASSERT_TRUE(client.until([&] { return room.bytes > 2048; }));
  for (std::size_t i = 1; i <= 4; ++i) {
    loopback.pass(seconds(20));
    client.go_on(slow, std::string(1024, 'x'));
    client.go_on(fast, std::string(25 * 1024, 'x'));
    const std::size_t wanted = 1024 + i * 25 * 1024 + (i == 1 ? 2048 : 0);
    ASSERT_TRUE(client.until([&] { return room.bytes >= wanted; }));
  }
  ASSERT_TRUE(client.until([&] { return client.answers[slow].body.ends_with("}}\n"); }));
  EXPECT_EQ(client.answers[slow].fields[":status"], "408");
  EXPECT_NE(client.answers[slow].body.find("slower than 1KiB a second"), std::string::npos);
  EXPECT_FALSE(client.answers[fast].has_head) << client.answers[fast].body;
}

TEST(Http2, CutsOffAClientThatDoesNotReadWhatItHasToBeTold) {
  HttpServerOptions options = Loopback::default_options();
  options.streams_max = 10;
  Loopback loopback(echo, options);
  RawClient client(loopback.server->port(), 4096);
  std::string batch(http2_preface);
  batch += std::string("\0\0\0\4\0\0\0\0\0", 9);  // Settings, none.
  std::size_t sent = 0;
  std::uint32_t id = 1;
  constexpr std::size_t much = 64U << 20;
  // Requests without what they need: each has to be answered by a reset, and nothing of that is read.
  for (int stuck = 0; sent < much && stuck < 100;) {
    while (batch.size() < (16U << 10)) {
      batch += std::string("\0\0\2\1\5", 5);
      for (int shift = 24; shift >= 0; shift -= 8) batch += static_cast<char>(id >> shift);
      batch += "\x83\x86";
      id += 2;
    }
    const std::size_t taken = client.send(batch);
    batch.erase(0, taken);
    sent += taken;
    loopback.step();
    stuck = taken == 0 ? stuck + 1 : 0;
  }
  EXPECT_LT(sent, much / 2) << "the server reads on, and keeps what it has to say";
  loopback.pass(seconds(31));
  ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(Http2, EndsAnIdleConnection) {
  Loopback loopback(echo);
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/");
  ASSERT_TRUE(client.until_ended(id));
  loopback.pass(seconds(74));
  loopback.settle();
  client.move();
  EXPECT_FALSE(client.is_cut_off());
  loopback.pass(seconds(2));
  EXPECT_TRUE(client.until_cut_off());
}

TEST(Http2, LetsRunningRequestsFinishWhenTheServerStops) {
  std::function<void()> go_on;
  Loopback loopback([&](HttpExchange& exchange) { return wait_for(exchange, go_on); });
  Http2RawClient client(loopback);
  const auto id = client.ask("GET", "/");
  ASSERT_TRUE(client.until([&] { return static_cast<bool>(go_on); }));
  loopback.server->stop();
  ASSERT_TRUE(client.until([&] { return client.was_told_to_go; }));
  EXPECT_EQ(client.told_why, std::uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_EQ(loopback.server->connection_count(), 1U);
  go_on();
  ASSERT_TRUE(client.until_ended(id));
  EXPECT_EQ(client.answers[id].fields[":status"], "200");
  EXPECT_TRUE(client.until_cut_off());
}

TEST(Http2, CutsOffAClientThatResetsFasterThanHandlersEnd) {
  std::vector<std::function<void()>> waiting(1000);
  std::size_t count = 0;
  HttpServerOptions options = Loopback::default_options();
  options.streams_max = 10;
  Loopback loopback([&](HttpExchange& exchange) { return wait_for(exchange, waiting[count++]); }, options);
  Http2RawClient client(loopback);
  for (int i = 0; i < 100 && !client.was_told_to_go; ++i) {
    const auto id = client.ask("GET", "/");
    const auto before = count;
    ASSERT_TRUE(client.until([&] { return count > before || client.was_told_to_go; }));
    client.reset(id);
    client.move();
  }
  ASSERT_TRUE(client.until_cut_off());
  EXPECT_EQ(client.told_why, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_LE(count, 22U);
  for (const auto& go_on : waiting) {
    if (go_on) go_on();
  }
  ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

// nghttp2 may not be asked for more from what it calls itself.
TEST(Http2, SendsNothingWhileItReads) {
  Loopback loopback(echo);
  const auto core = std::make_shared<ServerCore>(
      loopback.io, Loopback::default_options(), loopback.clock,
      [](const HttpRequest&) -> Result<std::uint64_t> { return 10; }, echo, nullptr, Duration::zero());
  std::string out;
  int woken_count = 0;
  bool reads = false;
  Http2Session session(core, "127.0.0.1:1", [&] {
    ++woken_count;
    EXPECT_FALSE(reads);
  });
  constexpr std::string_view frames(
      "\0\0\0\4\0\0\0\0\0"
      "\0\0\6\1\4\0\0\0\1\x83\x86\x84\x41\1h"  // POST / of the authority "h"
      "\0\0\13\0\0\0\0\0\1hello world",
      9 + 15 + 20);
  reads = true;
  EXPECT_TRUE(session.receive(http2_preface));
  EXPECT_TRUE(session.receive(frames));  // One byte more than may be: it is refused here.
  reads = false;
  session.fill(out);
  EXPECT_NE(out.find("larger than the limit of 10B"), std::string::npos);
  session.stop();
  EXPECT_EQ(woken_count, 1);  // By what is not part of reading.
}

TEST(Http2, TellsWhatIsNotHttp2) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send(http2_preface);
  client.send(std::string(100, 'x'));
  ASSERT_TRUE(loopback.until_ended(client));
  EXPECT_EQ(loopback.server->counts().requests, 0U);
}

TEST(Http2, KnowsThePrefaceByteByByteAndNothingElseByIt) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  for (const char c : http2_preface) {
    client.send({&c, 1});
    loopback.settle();
  }
  client.read();
  EXPECT_FALSE(client.received.empty());  // The settings of HTTP/2.
  EXPECT_EQ(client.status(), 0);
  auto other = loopback.connect();
  for (const char c : std::string_view("PRI * HTTP/1.1\r\nHost: h\r\n\r\n")) {
    other.send({&c, 1});
    loopback.settle();
  }
  ASSERT_TRUE(loopback.until_received(other, "\r\n\r\n"));
  EXPECT_NE(other.status(), 0);
}

}  // namespace
}  // namespace canopy::net
