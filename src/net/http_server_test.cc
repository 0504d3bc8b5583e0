#include "net/http_server.h"

#include <gtest/gtest.h>

#include "net/loopback.h"

namespace canopy::net {
namespace {

TEST(HttpServer, AnswersWithLengthTypeAndDate) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send("GET /a%20b?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "body="));
  EXPECT_EQ(client.received,
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:01 GMT\r\nContent-Type: text/plain\r\n"
            "Content-Length: 20\r\n\r\nGET /a%20b?x=1 body=");
}

TEST(HttpServer, ShowsTheHandlerHeadersAndPeer) {
  std::string seen;
  Loopback loopback([&seen](HttpExchange& exchange) {
    const auto& request = exchange.request();
    for (const auto& [name, value] : request.headers) {
      seen.append(name).append("=").append(value).append(";");
    }
    seen.append(request.header("x-ONE")).append(";").append(request.header("absent")).append(";");
    seen.append(request.peer.substr(0, 10));
    return reply(HttpResponse());
  });
  loopback.exchange("GET / HTTP/1.1\r\nHost: h:80\r\nX-One:  a b \t\r\nx-two:\r\n\r\n");
  EXPECT_EQ(seen, "Host=h:80;X-One=a b;x-two=;a b;;127.0.0.1:");
}

TEST(HttpServer, KeepsTheConnection) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  for (std::size_t i = 1; i <= 5; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(loopback.until_received(client, "body=", i));
  }
  EXPECT_EQ(loopback.server->counts().connections_accepted, 1U);
  EXPECT_EQ(loopback.server->counts().requests, 5U);
  EXPECT_FALSE(client.ended);
}

TEST(HttpServer, AnswersAHundredPipelinedRequestsInOrder) {
  Loopback loopback(echo);
  std::string requests;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const auto number = std::to_string(i);
    if (i % 3 == 0) {
      requests += "POST /" + number + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    } else if (i % 3 == 1) {
      requests +=
          "POST /" + number + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    } else {
      requests += "GET /" + number + " HTTP/1.1\r\nHost: h\r\n\r\n";
    }
    expected += (i % 3 == 2 ? "GET /" : "POST /") + number + "? body=" +
                (i % 3 == 0   ? "abc"
                 : i % 3 == 1 ? "a"
                              : "");
    expected += '\n';
  }
  const auto received = loopback.exchange(requests);
  std::string bodies;
  for (auto at = received.find("\r\n\r\n"); at != std::string::npos; at = received.find("\r\n\r\n", at + 4)) {
    bodies += received.substr(at + 4, received.find("HTTP/1.1 ", at) - at - 4) + "\n";
  }
  EXPECT_EQ(bodies, expected);
}

// More than the kernel takes at once, though each response is small: what is gathered for one client waits
// for that client alone.
TEST(HttpServer, AClientThatDoesNotReadDelaysNoOtherAndGetsAllInTheEnd) {
  const std::string body(15'000, 'x');
  Loopback loopback([&body](HttpExchange& exchange) {
    HttpResponse response;
    response.body =
        exchange.request().path == "/small" ? "small" : body + std::string(exchange.request().query);
    return reply(std::move(response));
  });
  RawClient slow(loopback.server->port(), 4096);
  auto quick = loopback.connect();
  constexpr std::size_t request_count = 600;
  std::string requests;
  for (std::size_t i = 0; i < request_count; ++i) {
    requests += "GET /?" + std::to_string(i) + ". HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  slow.send(requests);
  loopback.settle();
  for (int i = 0; i < 3; ++i) quick.send("GET /small HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(quick, "small", 3));
  ASSERT_TRUE(loopback.until([&] {
    slow.read();
    return slow.received.ends_with("x" + std::to_string(request_count - 1) + ".");
  }));
  std::size_t at = 0;
  for (std::size_t i = 0; i < request_count; ++i) {
    at = slow.received.find("x" + std::to_string(i) + ".", at);
    ASSERT_NE(at, std::string::npos) << "response " << i << " is lost or out of order";
  }
}

TEST(HttpServer, AnswersAllConnectionsOfARound) {
  Loopback loopback([](HttpExchange& exchange) { return echo(exchange); });
  std::vector<RawClient> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(loopback.connect());
  loopback.settle();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  clients[7].send_no_more();
  clients[8].leave();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (i == 8) continue;
    EXPECT_TRUE(loopback.until_received(clients[i], "GET /" + std::to_string(i) + "? body="));
  }
}

TEST(HttpServer, LetsOthersInBetweenPipelinedRequests) {
  std::string order;
  Loopback loopback([&order](HttpExchange& exchange) {
    order += exchange.request().path.substr(1);
    return reply(HttpResponse());
  });
  auto greedy = loopback.connect();
  auto modest = loopback.connect();
  ASSERT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 2; }));
  loopback.step();
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  greedy.send(requests);
  modest.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(greedy, "HTTP/1.1 200", 500));
  ASSERT_TRUE(loopback.until_received(modest, "HTTP/1.1 200"));
  EXPECT_LT(order.find('b'), 100U);
}

TEST(HttpServer, ReadsARequestByteByByte) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  const std::string_view requests =
      "\r\nPOST /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;a=b\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
      "POST /two HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
      "POST /three HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  for (const char c : requests) {
    client.send({&c, 1});
    loopback.step();
  }
  ASSERT_TRUE(loopback.until_received(client, "body=", 3));
  EXPECT_EQ(client.count("POST /one? body=abc0123456789"), 1U);
  EXPECT_EQ(client.count("POST /two? body=hello"), 1U);
  EXPECT_TRUE(client.received.ends_with("POST /three? body="));
}

TEST(HttpServer, ReadsABodyInManyPieces) {
  Loopback loopback(echo);
  std::string body(300'000, 'x');
  body.front() = '<';
  body.back() = '>';
  const auto received =
      loopback.exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" + body);
  EXPECT_TRUE(received.ends_with("POST /? body=" + body));
}

TEST(HttpServer, KeepsTheHeadWhileTheBodyComes) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  loopback.send(client, "POST /the/path?the=query HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nab");
  loopback.settle();
  loopback.send(client, std::string(99'998, 'c') + "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "GET /next? body="));
  EXPECT_EQ(client.count("POST /the/path?the=query body=abccc"), 1U);
}

TEST(HttpServer, AnswersHeadWithoutABody) {
  Loopback loopback(echo);
  const auto received = loopback.exchange(
      "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_NE(received.find("Content-Length: 14\r\n\r\nHTTP/1.1 200 OK\r\n"), std::string::npos) << received;
}

TEST(HttpServer, ClosesWhenAsked) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_ended(client));
  EXPECT_EQ(client.count("HTTP/1.1 200 OK"), 1U);
  EXPECT_EQ(client.count("Connection: close\r\n"), 1U);
}

TEST(HttpServer, ClosesAfterHttp10UnlessAskedToKeep) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "Connection: keep-alive\r\n"));
  client.send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(loopback.until_ended(client));
  EXPECT_EQ(client.count("HTTP/1.1 200 OK"), 2U);
  EXPECT_EQ(client.count("Connection: close\r\n"), 1U);
}

TEST(HttpServer, ClosesWhenTheHandlerAsks) {
  Loopback loopback([](HttpExchange&) {
    HttpResponse response;
    response.headers.push_back({"connection", "close"});
    return reply(std::move(response));
  });
  auto client = loopback.connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_ended(client));
  EXPECT_EQ(client.count("onnection: close\r\n"), 1U);
}

TEST(HttpServer, SendsALargeBodyWhole) {
  const std::string body(3'000'000, 'y');
  Loopback loopback([&body](HttpExchange&) {
    HttpResponse response;
    response.body = body;
    return reply(std::move(response));
  });
  const auto received =
      loopback.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_NE(received.find("Content-Length: 3000000\r\n"), std::string::npos);
  EXPECT_GT(received.size(), 6'000'000U);
  EXPECT_TRUE(received.ends_with(body));
}

TEST(HttpServer, ReplacesAStatusThatEndsNothing) {
  for (const int status : {0, 99, 100, 101, 600, -1}) {
    Loopback loopback([status](HttpExchange&) {
      HttpResponse response;
      response.status = status;
      return reply(std::move(response));
    });
    const auto received = loopback.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(received.starts_with("HTTP/1.1 500 Internal Server Error\r\n")) << received;
    EXPECT_NE(received.find(R"("code":"internal")"), std::string::npos);
  }
}

TEST(HttpServer, ContinuesOnlyWhenItIsExpected) {
  Loopback loopback(echo);
  auto client = loopback.connect();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_EQ(client.received, "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  ASSERT_TRUE(loopback.until_received(client, "body=hi"));
  // The body is there already: nothing waits for the word.
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nho");
  ASSERT_TRUE(loopback.until_received(client, "body=ho"));
  client.send("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  loopback.settle();
  client.send("ha");
  ASSERT_TRUE(loopback.until_received(client, "body=ha"));
  EXPECT_EQ(client.count("100 Continue"), 1U);
}

TEST(HttpServer, DoesNotAskForABodyThatIsRefused) {
  const BodyLimit refuse = [](const HttpRequest& head) -> Result<std::uint64_t> {
    if (head.path == "/none") return fail(Code::not_found, "no such function as \"none\"");
    return 10;
  };
  Loopback loopback(echo, Loopback::default_options(), refuse);
  auto client = loopback.connect();
  client.send("POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "}}\n"));
  EXPECT_EQ(client.body(),
            R"({"error":{"code":"not_found","message":"no such function as \"none\"","origin":"client"}})"
            "\n");
  EXPECT_EQ(client.status(), 404);
  client.send_no_more();
  EXPECT_TRUE(loopback.until_ended(client));
  auto second = loopback.connect();
  second.send("POST /some HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(second, "}}\n"));
  EXPECT_EQ(second.status(), 413);
  EXPECT_NE(second.received.find("the body of 11B is larger than the limit of 10B"), std::string::npos)
      << second.received;
  EXPECT_EQ(loopback.server->counts().requests, 0U);
}

TEST(HttpServer, TellsTheLimitOfAChunkedBody) {
  Loopback loopback(echo, Loopback::default_options(), 10);
  const auto received = loopback.exchange(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n");
  EXPECT_TRUE(received.starts_with("HTTP/1.1 413 Content Too Large\r\n")) << received;
  EXPECT_NE(received.find("larger than the limit of 10B"), std::string::npos);
}

TEST(HttpServer, ARefusedClientCanFinishSendingAndRead) {
  Loopback loopback(echo, Loopback::default_options(), 10);
  auto client = loopback.connect();
  loopback.send(client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n");
  ASSERT_TRUE(loopback.send(client, std::string(5'000'000, 'x')));
  EXPECT_EQ(client.status(), 413);
  client.send_no_more();
  EXPECT_TRUE(loopback.until_ended(client));
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpServer, DropsABodyThatEndsEarly) {
  Loopback loopback(echo);
  for (const std::string_view start :
       {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", "GET / HT", ""}) {
    EXPECT_EQ(loopback.exchange(start), "");
  }
  EXPECT_EQ(loopback.server->counts().requests, 0U);
  EXPECT_TRUE(loopback.until([&] { return loopback.server->connection_count() == 0; }));
}

TEST(HttpServer, SaysWhichAddressIsTaken) {
  Loopback loopback(echo);
  HttpServerOptions options;
  options.port = loopback.server->port();
  options.exclusive = true;
  const BodyLimit limit = [](const HttpRequest&) -> Result<std::uint64_t> { return 0; };
  const auto second = make_http_server(loopback.io, options, loopback.clock, limit, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_NE(
      second.error().message.find("127.0.0.1:" + std::to_string(options.port) + ": the address is in use"),
      std::string::npos)
      << second.error().message;
  options.exclusive = false;  // The second core's server shares it.
  EXPECT_TRUE(make_http_server(loopback.io, options, loopback.clock, limit, echo));
}

TEST(HttpServer, RefusesAnAddressThatIsNotOurs) {
  asio::io_context io;
  const BodyLimit limit = [](const HttpRequest&) -> Result<std::uint64_t> { return 0; };
  for (const std::string host : {"192.0.2.1", "no such host", ""}) {
    HttpServerOptions options;
    options.host = host;
    const auto server = make_http_server(io, options, system_clock(), limit, echo);
    ASSERT_FALSE(server) << host;
    EXPECT_EQ(server.error().code, Code::unavailable);
    const bool explained =
        server.error().message.find("this machine has no such address") != std::string::npos;
    EXPECT_EQ(explained, host == "192.0.2.1") << server.error().message;
    EXPECT_NE(server.error().message.find("cannot listen on " + host + ":0"), std::string::npos);
  }
}

}  // namespace
}  // namespace canopy::net
