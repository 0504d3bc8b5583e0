// What the server refuses by itself: raw bytes in, status out.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/loopback.h"

namespace canopy::net {
namespace {

using namespace std::string_literals;

struct Case {
  std::string name;
  std::string bytes;
  int status = 0;
  std::string message = "";  // Part of it.
};

std::string get(const std::string& lines) { return "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n"; }
std::string post(const std::string& lines, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n" + body;
}
std::string chunked(const std::string& body) { return post("Transfer-Encoding: chunked", body); }

const std::vector<Case>& cases() {
  static const std::vector<Case> table = {
      // What is fine, so that the table says where the border is.
      {"a request", get(""), 200},
      {"an empty line before it", "\r\n\r\n" + get(""), 200},
      {"the absolute form", "GET http://example.org:80/a?b HTTP/1.1\r\nHost: example.org:80\r\n\r\n", 200},
      {"the absolute form without a path", "GET HTTPS://example.org?b HTTP/1.1\r\nHost: x\r\n\r\n", 200},
      {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 200},
      {"a method of its own", "BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", 200},
      {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 200},
      {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 200},
      {"Host of IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
      {"a high byte in a value", get("X: \xe9\r\n"), 200},
      {"a length of nothing", post("Content-Length: 0", ""), 200},
      {"Chunked in other letters", post("transfer-encoding: Chunked", "0\r\n\r\n"), 200},
      {"an extension", chunked("1;a=\"b c\";d\r\nx\r\n0;e\r\n\r\n"), 200},
      {"trailers", chunked("0\r\nA: b\r\nC: d\r\n\r\n"), 200},
      {"leading zeros in a size", chunked("0000001\r\nx\r\n000\r\n\r\n"), 200},

      // The request line.
      {"garbage", "\x16\x03\x01\x02\x01\x01", 400, "line 1 of the request"},
      {"no method", " / HTTP/1.1\r\n\r\n", 400, "method"},
      {"a method with a colon", "GE:T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "method"},
      {"a method with NUL", "GE\0T / HTTP/1.1\r\nHost: h\r\n\r\n"s, 400, "method"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
      {"a tab for a space", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"a relative target", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "begin with '/'"},
      {"* without OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400, "begin with '/'"},
      {"CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "begin with '/'"},
      {"another scheme", "GET file:///etc HTTP/1.1\r\nHost: h\r\n\r\n", 400, "begin with '/'"},
      {"no host in the absolute form", "GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", 400, "no host"},
      {"a control character in the target", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "percent-encoded"},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"no version", "GET /\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"a CR alone", "GET / HTTP/1.1\rHost: h\r\r", 400},
      {"lower case http", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"a version of three parts", "GET / HTTP/1.1.1\r\nHost: h\r\n\r\n", 505},
      {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "HTTP/1.1"},
      {"HTTP/3", "GET / HTTP/3\r\nHost: h\r\n\r\n", 505},
      {"almost the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n", 505},
      {"a long target", "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414,
       "limit of 16KiB"},

      // Header lines.
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400, "needs the header Host"},
      {"two Hosts", get("Host: h\r\n"), 400, "more than once"},
      {"two Hosts on HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than once"},
      {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "Host has to be"},
      {"a Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, "Host has to be"},
      {"two values of Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "Host has to be"},
      {"a space before the colon", get("A : b\r\n"), 400, "line 3 of the request"},
      {"a space before the name", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, "line 2 of the request"},
      {"a line without a colon", get("nonsense\r\n"), 400},
      {"an empty name", get(": b\r\n"), 400},
      {"a folded line", get("A: b\r\n c\r\n"), 400, "folded"},
      {"a line folded by a tab", get("A: b\r\n\tc\r\n"), 400, "folded"},
      {"a line folded after its colon", get("A:\r\n c\r\n"), 400, "folded"},
      {"a fold of nothing", get("A:\r\n \r\n"), 400, "folded"},
      {"a folded Transfer-Encoding", post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), 400, "folded"},
      {"NUL in a value", get("A: b\0c\r\n"s), 400, "line 3"},
      {"NUL in a name", get("A\0: b\r\n"s), 400},
      {"a control character in a value", get("A: \x02\r\n"), 400},
      {"DEL in a value", get("A: \x7f\r\n"), 400},
      {"CR in a value", get("A: b\rc\r\n"), 400, "CR LF"},
      {"LF in a value", get("A: b\nC: d\r\n"), 400},
      {"a high byte in a name", get("\xc3\xa9: b\r\n"), 400},
      {"a malformed Connection", get("Connection: close, \"\r\n"), 400},
      {"a long value", get("A: " + std::string(20'000, 'a') + "\r\n"), 431, "limit of 16KiB"},
      {"a long name", get(std::string(20'000, 'a') + ": b\r\n"), 431, "limit of 16KiB"},
      {"another expectation", post("Content-Length: 1\r\nExpect: 200-ok", "x"), 417, "100-continue"},

      // Where the body ends.
      {"length and chunks", post("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400},
      {"chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"), 400},
      {"two lengths", post("Content-Length: 3\r\nContent-Length: 4", "abcd"), 400, "more than once"},
      {"the same length twice", post("Content-Length: 3\r\nContent-Length: 3", "abc"), 400, "more than once"},
      {"a list of lengths", post("Content-Length: 3, 3", "abc"), 400, "one decimal number"},
      {"a signed length", post("Content-Length: +3", "abc"), 400, "one decimal number"},
      {"a negative length", post("Content-Length: -3", "abc"), 400},
      {"a hexadecimal length", post("Content-Length: 0x3", "abc"), 400},
      {"a fractional length", post("Content-Length: 3.0", "abc"), 400},
      {"an empty length", post("Content-Length:", "abc"), 400},
      {"a length with a space", post("Content-Length: 1 1", "abc"), 400},
      {"a length past 64 bits", post("Content-Length: 18446744073709551616", ""), 400},
      {"a length past the limit", post("Content-Length: 18446744073709551615", ""), 413, "limit of 1MiB"},
      {"a body past the limit", post("Content-Length: 1048577", ""), 413, "limit of 1MiB"},
      {"gzip", post("Transfer-Encoding: gzip", ""), 501, "gzip"},
      {"gzip, chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), 501},
      {"chunked, gzip", post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"), 501},
      {"identity", post("Transfer-Encoding: identity", ""), 501},
      {"chunked, identity", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), 501},
      {"chunked twice", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), 501},
      {"chunked on two lines", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
       400},
      {"an empty coding", post("Transfer-Encoding:", "0\r\n\r\n"), 501},
      {"xchunked", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), 501},
      {"chunks with a vertical tab",
       post("Transfer-Encoding: \x0b"
            "chunked",
            "0\r\n\r\n"),
       400},
      {"chunks on HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       "HTTP/1.0"},

      // Chunks.
      {"a size that is none", chunked("x\r\n\r\n\r\n"), 400, "the body, after 0B"},
      {"an empty size", chunked("\r\nabc\r\n0\r\n\r\n"), 400},
      {"a negative size", chunked("-1\r\nabc\r\n0\r\n\r\n"), 400},
      {"0x in a size", chunked("0x1\r\na\r\n0\r\n\r\n"), 400},
      {"a size past 64 bits", chunked("10000000000000000\r\nabc\r\n"), 400},
      {"the largest size", chunked("ffffffffffffffff\r\nabc\r\n"), 413, "limit of 1MiB"},
      {"sizes that overflow together", chunked("1\r\na\r\nffffffffffffffff\r\nabc\r\n"), 413},
      {"a chunk longer than its size", chunked("1\r\nab\r\n0\r\n\r\n"), 400, "after 1B"},
      {"a chunk without its end", chunked("1\r\na0\r\n\r\n"), 400},
      {"bare LF after a size", chunked("1\na\r\n0\r\n\r\n"), 400},
      {"bare LF after a chunk", chunked("1\r\na\n0\r\n\r\n"), 400},
      {"a space before a size", chunked(" 1\r\na\r\n0\r\n\r\n"), 400},
      {"a malformed extension", chunked("1;=\r\na\r\n0\r\n\r\n"), 400, "extension"},
      {"a line end in an extension", chunked("1;a=\"\n\"\r\na\r\n0\r\n\r\n"), 400, "extension"},
      {"NUL in an extension", chunked("1;a=\"\0\"\r\na\r\n0\r\n\r\n"s), 400, "extension"},
      {"an endless extension", chunked("1;a=" + std::string(40'000, 'b')), 431, "limit of 16KiB"},
      {"a malformed trailer", chunked("0\r\nnonsense\r\n\r\n"), 400},
      {"a folded trailer", chunked("0\r\nA: b\r\n c\r\n\r\n"), 400, "folded"},
      {"a length in the trailers", chunked("0\r\nContent-Length: 5\r\n\r\n"), 400},
      {"a coding in the trailers", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
      {"endless trailers", chunked("0\r\nA: " + std::string(200'000, 'b')), 431, "limit of 16KiB"},
  };
  return table;
}

class HttpServerRefusal : public testing::Test {
 protected:
  static int status_of(const std::string& received) {
    return received.starts_with("HTTP/1.1 ") ? std::stoi(received.substr(9, 3)) : 0;
  }

  Loopback loopback{echo};
};

TEST_F(HttpServerRefusal, KnowsWhatIsHttp) {
  for (const auto& [name, bytes, status, message] : cases()) {
    SCOPED_TRACE(name);
    auto client = loopback.connect();
    loopback.send(client, bytes);
    ASSERT_TRUE(loopback.until_received(client, status == 200 ? "body=" : "}}\n")) << client.received;
    EXPECT_EQ(client.status(), status) << client.received;
    EXPECT_EQ(client.count("\r\nDate: "), 1U) << client.received;
    if (status != 200) {
      EXPECT_EQ(client.count("Connection: close\r\n"), 1U);
      EXPECT_EQ(client.count("Content-Type: application/json\r\n"), 1U);
      EXPECT_EQ(client.count(R"(","origin":"client"}})"), 1U);
      EXPECT_NE(client.body().find(message), std::string::npos) << client.body();
      client.send_no_more();
      EXPECT_TRUE(loopback.until_ended(client));
    }
  }
}

TEST_F(HttpServerRefusal, IsTheSameHoweverTheBytesCome) {
  for (const auto& [name, bytes, status, message] : cases()) {
    if (bytes.size() > 1000) continue;
    SCOPED_TRACE(name);
    auto client = loopback.connect();
    for (const char c : bytes) {
      client.send({&c, 1});
      loopback.step();
    }
    ASSERT_TRUE(loopback.until([&] {
      client.read();
      loopback.clock.advance(std::chrono::milliseconds(100));  // What is incomplete is refused in the end.
      loopback.server->sweep();
      return client.count("body=") + client.count("}}\n") != 0;
    }));
    if (status == 200 || client.status() != 408) {
      EXPECT_EQ(client.status(), status) << client.received;
    }
  }
}

TEST_F(HttpServerRefusal, AnswersWhatCameBeforeGarbage) {
  const auto received = loopback.exchange(get("") + "nonsense\r\n\r\n" + get(""));
  EXPECT_EQ(status_of(received), 200);
  const auto second = received.find("HTTP/1.1 ", 1);
  ASSERT_NE(second, std::string::npos);
  EXPECT_EQ(status_of(received.substr(second)), 400);
  EXPECT_EQ(received.find("HTTP/1.1 ", second + 1), std::string::npos);
}

TEST_F(HttpServerRefusal, BoundsTheHeaderLines) {
  std::string lines;
  for (int i = 0; i < 10'000; ++i) lines += "A: b\r\n";
  EXPECT_EQ(status_of(loopback.exchange(get(lines))), 431);
  EXPECT_EQ(status_of(loopback.exchange(get(lines.substr(0, 6 * 255)))), 200);
  const auto received = loopback.exchange(get(lines.substr(0, 6 * 256)));
  EXPECT_EQ(status_of(received), 431);
  EXPECT_NE(received.find("more than 256 header lines"), std::string::npos);
}

TEST_F(HttpServerRefusal, BoundsTheHeadToTheByte) {
  auto options = Loopback::default_options();
  options.head_bytes_max = 1000;
  Loopback small(echo, options);
  const std::string frame = get("A: \r\n");
  const auto with = [&](std::size_t size) {
    return get("A: " + std::string(size - frame.size(), 'a') + "\r\n");
  };
  EXPECT_EQ(status_of(small.exchange(with(1000))), 200);
  EXPECT_EQ(status_of(small.exchange(with(1001))), 431);
  EXPECT_EQ(status_of(small.exchange(with(1000) + with(1000) + with(1001))), 200);
}

TEST_F(HttpServerRefusal, BoundsExtensionsOverManyChunks) {
  std::string chunks;
  for (int i = 0; i < 200; ++i) chunks += "1;a=" + std::string(100, 'b') + "\r\nx\r\n";
  const auto received = loopback.exchange(chunked(chunks + "0\r\n\r\n"));
  EXPECT_EQ(status_of(received), 400);
  EXPECT_NE(received.find("chunk extensions are larger than the limit of 16KiB"), std::string::npos);
}

TEST_F(HttpServerRefusal, ReadsChunksSplitAnywhere) {
  const auto request = chunked("3\r\nabc\r\n0A;x=y\r\n0123456789\r\n1\r\n\r\r\n0\r\nT: v\r\n\r\n") + get("");
  for (std::size_t i = 1; i < request.size(); ++i) {
    auto client = loopback.connect();
    client.send(request.substr(0, i));
    loopback.step();
    client.send(request.substr(i));
    ASSERT_TRUE(loopback.until_received(client, "GET /? body=")) << i << client.received;
    EXPECT_EQ(client.count("body=abc0123456789\rHTTP/1.1 200"), 1U) << i;
  }
}

TEST_F(HttpServerRefusal, KeepsTheRefusedTargetOutOfTheNextError) {
  auto client = loopback.connect();
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loopback.until_received(client, "\r\n\r\n"));
  client.send("nonsense\r\n\r\n");  // Not a HEAD any more: the error has its body.
  EXPECT_TRUE(loopback.until_received(client, "}}\n"));
}

}  // namespace
}  // namespace canopy::net
