#include "net/http2_client.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "net/loopback.h"

namespace canopy::net {
namespace {

// A client of a Loopback, in the same thread.
struct Asking {
  explicit Asking(Loopback& server) : loopback(server), raw(server.connect()) {}

  std::int32_t ask(std::string body, std::uint64_t reply_bytes_max = 1 << 20) {
    Http2Request request{
        .method = "POST",
        .authority = "function",
        .path = "/a?b",
        .headers = {{"x-one", "1"}, {"Bad", "x"}, {"connection", "close"}, {"te", "trailers"}},
        .body = std::move(body)};
    const auto number = std::make_shared<std::int32_t>(0);
    *number = client.ask(std::move(request), reply_bytes_max,
                         [this, number](Http2Reply reply) { replies[*number] = std::move(reply); });
    return *number;
  }
  void move() {
    client.fill(unsent);
    if (!unsent.empty()) unsent.erase(0, raw.send(unsent));
    raw.read();
    client.receive(std::exchange(raw.received, ""));
    if (raw.ended) client.close("the connection was closed");
  }
  template <class Condition>
  bool until(Condition condition) {
    return loopback.until([&] {
      move();
      return condition();
    });
  }
  bool ends(std::int32_t id) {
    return until([&] { return replies.contains(id); });
  }

  Loopback& loopback;
  RawClient raw;
  Http2Client client;
  std::string unsent;
  std::map<std::int32_t, Http2Reply> replies;
};

TEST(Http2Client, AsksAndHearsTheReply) {
  std::string seen;
  Loopback loopback([&seen](HttpExchange& exchange) {
    const HttpRequest& request = exchange.request();
    for (const auto& [name, value] : request.headers) seen.append(name).append("=").append(value).append(" ");
    HttpResponse response;
    response.body = request.body;
    response.headers = {{"x-two", "2"}};
    response.trailers = {{"grpc-status", "0"}};
    return reply(std::move(response));
  });
  Asking asking(loopback);
  const auto id = asking.ask("hello");
  ASSERT_TRUE(asking.ends(id));
  const Http2Reply& got = asking.replies[id];
  EXPECT_FALSE(got.error);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "hello");
  ASSERT_EQ(got.trailers.size(), 1U);
  EXPECT_EQ(got.trailers.front().value, "0");
  EXPECT_EQ(seen, "host=function x-one=1 te=trailers ");
  EXPECT_TRUE(asking.client.is_open());
}

TEST(Http2Client, AsksManyThingsAtOnce) {
  Loopback loopback(echo);
  Asking asking(loopback);
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 200; ++i)
    ids.push_back(asking.ask(std::string(static_cast<std::size_t>(1000 * i), 'x')));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_TRUE(asking.ends(ids.at(i)));
    EXPECT_EQ(asking.replies[ids.at(i)].body.size(), 15 + 1000 * i);
  }
  EXPECT_EQ(loopback.server->connection_count(), 1U);
}

// More than the server writes at a time, to a client that takes all of it.
TEST(Http2Client, ALargeReplyComesWhole) {
  Loopback loopback([](HttpExchange&) {
    HttpResponse response;
    response.body = std::string(5'000'000, 'x');
    return reply(std::move(response));
  });
  Asking asking(loopback);
  const auto id = asking.ask("x", 10'000'000);
  ASSERT_TRUE(asking.ends(id));
  EXPECT_FALSE(asking.replies[id].error);
  EXPECT_EQ(asking.replies[id].body.size(), 5'000'000U);
}

TEST(Http2Client, AReplyPastItsBoundIsCutOff) {
  Loopback loopback(echo);
  Asking asking(loopback);
  const auto large = asking.ask(std::string(5000, 'x'), 1000);
  const auto small = asking.ask("x", 1000);
  ASSERT_TRUE(asking.ends(large));
  ASSERT_TRUE(asking.replies[large].error);
  EXPECT_EQ(asking.replies[large].error->code, Code::too_large);
  ASSERT_TRUE(asking.ends(small));
  EXPECT_FALSE(asking.replies[small].error);
}

TEST(Http2Client, WhatIsCancelledIsNotHeardOf) {
  std::function<void()> go_on;
  Loopback loopback([&go_on](HttpExchange& exchange) { return wait_for(exchange, go_on); });
  Asking asking(loopback);
  const auto id = asking.ask("x");
  ASSERT_TRUE(asking.until([&] { return static_cast<bool>(go_on); }));
  asking.client.cancel(id);
  EXPECT_EQ(asking.client.stream_count(), 0U);
  go_on();
  const auto next = asking.ask("x");
  ASSERT_TRUE(asking.until([&] { return asking.client.look(next) != nullptr; }));
  EXPECT_FALSE(asking.replies.contains(id));
}

TEST(Http2Client, TheEndOfTheConnectionEndsWhatIsOpen) {
  Http2Client client;
  std::optional<Error> error;
  client.ask({.body = "x"}, 10, [&error](const Http2Reply& reply) { error = reply.error; });
  client.close("it was refused");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Code::unavailable) << "nothing of it was sent";
  EXPECT_EQ(error->message, "it was refused");
  Http2Client begun;
  begun.ask({.body = "x"}, 10, [&error](const Http2Reply& reply) { error = reply.error; });
  std::string out;
  begun.fill(out);
  begun.close("it broke");
  EXPECT_EQ(error->code, Code::died);
  Http2Client unsent;
  unsent.ask({.body = ""}, 10, [&error](const Http2Reply& reply) { error = reply.error; });
  unsent.fill(out);
  unsent.close("nobody took the connection", true);
  EXPECT_EQ(error->code, Code::unavailable);
}

// As an orderly server ends: what it has not begun it says, and the rest it answers.
TEST(Http2Client, WhatAGoingServerHasNotBegunIsKnownToBeUnbegun) {
  Http2Client client;
  std::map<int, std::optional<Error>> ends;
  for (int i = 0; i < 2; ++i) {
    client.ask({.body = "x"}, 10, [&ends, i](const Http2Reply& reply) { ends[i] = reply.error; });
  }
  std::string out;
  client.fill(out);
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string going("\0\0\x8\7\0\0\0\0\0\0\0\0\1\0\0\0\0", 17);  // The last one it takes is stream 1.
  EXPECT_TRUE(client.receive(settings + going));
  EXPECT_FALSE(client.is_open());
  ASSERT_TRUE(ends.contains(1) && ends[1]);
  EXPECT_EQ(ends[1]->code, Code::unavailable);
  EXPECT_FALSE(ends.contains(0)) << "it is answered yet";
  client.close("it is gone");
  ASSERT_TRUE(ends[0]);
  EXPECT_EQ(ends[0]->code, Code::died);
}

TEST(Http2Client, WhatIsNoHttp2EndsIt) {
  Http2Client client;
  std::optional<Error> error;
  client.ask({.body = "x"}, 10, [&error](const Http2Reply& reply) { error = reply.error; });
  client.receive("HTTP/1.1 400 Bad Request\r\n\r\n");
  std::string last_words;
  client.fill(last_words);
  EXPECT_FALSE(client.is_open());
  EXPECT_TRUE(error);
}

}  // namespace
}  // namespace canopy::net
