#include "net/http_write.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace canopy::net {
namespace {

using namespace std::string_literals;

std::string head_of(const HttpResponse& response, ResponseFrame frame = {}) {
  std::string out;
  append_head(out, response, frame, "Date: now\r\n");
  return out;
}

TEST(HttpWrite, FramesABody) {
  HttpResponse response;
  response.status = 404;
  response.content_type = "text/html";
  response.body = "12345678901";
  EXPECT_EQ(head_of(response),
            "HTTP/1.1 404 Not Found\r\nDate: now\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\n");
  EXPECT_EQ(
      head_of(response, {Framing::chunked, false, false}),
      "HTTP/1.1 404 Not Found\r\nDate: now\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(head_of(response, {Framing::until_close, true, true}),
            "HTTP/1.1 404 Not Found\r\nDate: now\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n");
}

TEST(HttpWrite, SaysWhatBecomesOfTheConnection) {
  const HttpResponse response;
  EXPECT_EQ(head_of(response).find("Connection"), std::string::npos);
  EXPECT_NE(head_of(response, {Framing::sized, true, false}).find("Connection: close\r\n"),
            std::string::npos);
  EXPECT_NE(head_of(response, {Framing::sized, true, true}).find("Connection: close\r\n"), std::string::npos);
  EXPECT_NE(head_of(response, {Framing::sized, false, true}).find("Connection: keep-alive\r\n"),
            std::string::npos);
}

TEST(HttpWrite, GivesNoLengthWhereThereIsNoBody) {
  for (const int status : {204, 304}) {
    HttpResponse response;
    response.status = status;
    response.body = "ignored";
    EXPECT_FALSE(has_body(status));
    EXPECT_EQ(head_of(response).find("Content-Length"), std::string::npos) << status;
    EXPECT_EQ(head_of(response, {Framing::chunked, false, false}).find("chunked"), std::string::npos)
        << status;
  }
  EXPECT_TRUE(has_body(200));
}

// Without a length a client would take what follows for its body.
TEST(HttpWrite, SaysThatThereIsNothingToReset) {
  HttpResponse response;
  response.status = 205;
  response.body = "ignored";
  EXPECT_FALSE(has_body(205));
  for (const Framing framing : {Framing::sized, Framing::chunked}) {
    const std::string head = head_of(response, {framing, false, false});
    EXPECT_NE(head.find("Content-Length: 0\r\n"), std::string::npos);
    EXPECT_EQ(head.find("chunked"), std::string::npos);
  }
}

TEST(HttpWrite, KeepsTheHeadersThatAreTheHandlers) {
  HttpResponse response;
  response.headers = {{"Content-Type", "a/b"},
                      {"Retry-After", "1"},
                      {"Set-Cookie", "a"},
                      {"Set-Cookie", "b"},
                      {"TE", "x"},
                      {"Trailer", "x"},
                      {"Upgrade", "x"},
                      {"Proxy-Connection", "x"}};
  EXPECT_EQ(head_of(response),
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: a/b\r\nRetry-After: 1\r\nSet-Cookie: a\r\n"
            "Set-Cookie: b\r\nContent-Length: 0\r\n\r\n");
  response.headers = {{"content-type", "a/b"}};
  response.content_type = "c/d";  // One is enough.
  EXPECT_EQ(head_of(response),
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: c/d\r\nContent-Length: 0\r\n\r\n");
}

TEST(HttpWrite, WritesStatusesWithoutAName) {
  HttpResponse response;
  response.status = 299;
  EXPECT_TRUE(head_of(response).starts_with("HTTP/1.1 299 \r\n"));
  EXPECT_EQ(reason(505), "HTTP Version Not Supported");
  EXPECT_EQ(reason(299), "");
}

TEST(HttpWrite, WritesTheDate) {
  using std::chrono::seconds;
  EXPECT_EQ(date_line(WallTime(seconds(784'887'151))), "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n");
  EXPECT_EQ(date_line(WallTime(seconds(951'782'400))), "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
  EXPECT_EQ(date_line(WallTime(std::chrono::milliseconds(1'999))), "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n");
}

TEST(HttpWrite, WritesErrorsAsTheApiDoes) {
  const auto response = error_response(504, Error{Code::deadline, "time ran out", Stage::run});
  EXPECT_EQ(response.status, 504);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body,
            R"({"error":{"code":"deadline","message":"time ran out","origin":"limit","stage":"run"}})"
            "\n");
}

TEST(HttpWrite, QuotesAnythingInAnError) {
  const auto message = [](const std::string& text) {
    const auto body = error_response(400, Error{Code::invalid, text}).body;
    const auto start = body.find(R"("message":")") + 11;
    return body.substr(start, body.find(R"(","origin")") - start);
  };
  EXPECT_EQ(message("a\"b\\c"), R"(a\"b\\c)");
  EXPECT_EQ(message("\0\n\x1f\x7f"s), R"(\u0000\u000a\u001f\u007f)");
  EXPECT_EQ(message("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb3"), "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb3");
  EXPECT_EQ(message("\xff"), R"(\ufffd)");
  EXPECT_EQ(message("\xc3"), R"(\ufffd)");                      // cut off
  EXPECT_EQ(message("\xc0\xaf"), R"(\ufffd\ufffd)");            // overlong
  EXPECT_EQ(message("\xed\xa0\x80"), R"(\ufffd\ufffd\ufffd)");  // a surrogate
  EXPECT_EQ(message("\xf4\x90\x80\x80"), R"(\ufffd\ufffd\ufffd\ufffd)");
}

}  // namespace
}  // namespace canopy::net
