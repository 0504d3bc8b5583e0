// The cases of what is and is not a request are in http_server_refusal_test.cc; this is about the reader's
// steps.

#include "net/request_reader.h"

#include <string>

#include <gtest/gtest.h>

namespace canopy::net {
namespace {

using State = RequestReader::State;

TEST(RequestReader, TakesNothingOfAHeadUntilItIsWhole) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  const std::string head = "GET http://h/a?b?c HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n";
  for (std::size_t size = 0; size < head.size(); ++size)
    ASSERT_EQ(reader.put(head.substr(0, size)), 0U) << size;
  EXPECT_EQ(reader.state(), State::head);
  EXPECT_EQ(reader.put(head + "more"), head.size());
  EXPECT_EQ(reader.state(), State::done);
  EXPECT_TRUE(reader.keep_alive());
}

TEST(RequestReader, PointsIntoTheBytesItWasGiven) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  const std::string head = "GET http://h/a?b?c HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n";
  ASSERT_EQ(reader.put(head), head.size());
  EXPECT_EQ(request.method.data(), head.data());
  EXPECT_EQ(request.target, "http://h/a?b?c");
  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(request.query, "b?c");
  ASSERT_EQ(request.headers.size(), 2U);
  EXPECT_EQ(request.headers[1].second, "y");
  EXPECT_EQ(request.headers[1].second.data(), head.data() + head.find("y\r\n"));
}

TEST(RequestReader, TakesEmptyLinesBeforeTheHead) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  EXPECT_EQ(reader.put("\r"), 0U);
  EXPECT_EQ(reader.put("\r\n\r\n\r\nGET"), 6U);
  EXPECT_EQ(reader.state(), State::head);
  EXPECT_EQ(reader.put("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 27U);
  EXPECT_EQ(reader.state(), State::done);
}

TEST(RequestReader, StopsBetweenHeadAndBody) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  EXPECT_EQ(reader.put(head + "hello"), head.size());
  EXPECT_EQ(reader.state(), State::body);
  EXPECT_TRUE(reader.facts().expects_continue);
  EXPECT_EQ(reader.body_left(), 5U);
  reader.limit_body(5);
  EXPECT_EQ(reader.put("hel"), 3U);
  EXPECT_EQ(reader.body_left(), 2U);
  EXPECT_EQ(reader.put("lo, and the next"), 2U);
  EXPECT_EQ(reader.state(), State::done);
  EXPECT_EQ(request.body, "hello");
}

TEST(RequestReader, RefusesALengthPastTheLimitAtOnce) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  reader.put("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2048\r\n\r\n");
  reader.limit_body(1024);
  ASSERT_EQ(reader.state(), State::refused);
  EXPECT_EQ(reader.refusal().status, 413);
  EXPECT_EQ(reader.refusal().error.code, Code::too_large);
  EXPECT_EQ(reader.refusal().error.message, "the body of 2KiB is larger than the limit of 1KiB");
  EXPECT_EQ(reader.put("x"), 0U);
}

TEST(RequestReader, NamesTheLineThatIsWrong) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  reader.put("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nC d\r\n\r\n");
  ASSERT_EQ(reader.state(), State::refused);
  EXPECT_EQ(reader.refusal().error.message,
            "line 4 of the request: a header line has to be a name, a colon at once, and a value");
}

TEST(RequestReader, SeesGarbageBeforeTheHeadIsWhole) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  EXPECT_EQ(reader.put("\x16\x03\x01"), 0U);
  EXPECT_EQ(reader.state(), State::refused);
  EXPECT_EQ(reader.refusal().status, 400);
}

TEST(RequestReader, DoesNotReserveWhatIsOnlyPromised) {
  HttpRequest request;
  RequestReader reader(request, 1000);
  reader.put("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\n");
  reader.limit_body(~std::uint64_t{0});
  reader.put("x");
  EXPECT_EQ(reader.state(), State::body);
  EXPECT_LE(request.body.capacity(), 300'000U);
}

}  // namespace
}  // namespace canopy::net
