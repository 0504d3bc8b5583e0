#include "api/call_reply.h"

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr CallId id{1, 2};

std::string seconds_text(Duration duration) {
  std::string text;
  append_seconds(duration, text);
  return text;
}

std::string header(const net::HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

bool has_line(const net::HttpResponse& response, const std::string& line) {
  return response.own_lines.find(line + "\r\n") != std::string::npos;
}

TEST(AppendSeconds, IsExactToTheMicrosecondOrFinerWhereItIsShort) {
  EXPECT_EQ(seconds_text({}), "0.000000000");
  EXPECT_EQ(seconds_text(nanoseconds(2601)), "0.000002601");
  EXPECT_EQ(seconds_text(microseconds(999)), "0.000999000");
  EXPECT_EQ(seconds_text(milliseconds(12)), "0.012000");
  EXPECT_EQ(seconds_text(seconds(3661) + microseconds(5)), "3661.000005");
  EXPECT_EQ(seconds_text(nanoseconds(-5)), "0.000000000");
}

TEST(LooksLikeText, TakesTextAndRefusesBytes) {
  EXPECT_TRUE(looks_like_text("hello\n\tworld\r\n"));
  EXPECT_TRUE(looks_like_text("gr\xC3\xBC\xC3\x9F dich \xE2\x82\xAC \xF0\x9F\x8C\xB2"));
  EXPECT_TRUE(looks_like_text(""));
  EXPECT_FALSE(looks_like_text(std::string_view("a\0b", 3)));
  EXPECT_FALSE(looks_like_text("\xFF\xFE"));
  EXPECT_FALSE(looks_like_text("a\x7F"));
  EXPECT_FALSE(looks_like_text("cut \xE2\x82"));
}

TEST(LooksLikeText, LooksAtEachByteOfTheFront) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text(20, 'a');
      text[at] = static_cast<char>(byte);
      const bool spacing = byte == '\n' || byte == '\t' || byte == '\r' || byte == 0x1b;
      EXPECT_EQ(looks_like_text(text), spacing || (byte >= 0x20 && byte < 0x7f)) << byte << " at " << at;
    }
  }
  EXPECT_TRUE(looks_like_text(std::string(2047, 'a') + "\xE2\x82\xAC" + "b"));
  EXPECT_FALSE(looks_like_text(std::string(2000, 'a') + "\xE2\x82" + std::string(100, 'b')));
  EXPECT_TRUE(looks_like_text(std::string(2048, 'a') + std::string(1, '\0')));
}

TEST(CallResponse, SaysWhatTheCallUsed) {
  Reply reply;
  reply.output = "hello";
  reply.usage = {
      .wait_time = microseconds(7), .run_time = milliseconds(2), .memory_bytes = 131072, .cold = true};
  const auto response = call_response(reply, id);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_TRUE(has_line(response, "X-Call-Id: " + to_text(id)));
  EXPECT_TRUE(has_line(response, "X-Duration-Seconds: 0.002000"));
  EXPECT_TRUE(has_line(response, "X-Queue-Seconds: 0.000007000"));
  EXPECT_TRUE(has_line(response, "X-Cold-Start: true"));
  EXPECT_TRUE(has_line(response, "X-Memory-Bytes: 131072"));
}

TEST(CallResponse, GuessesATypeOnlyWhereThereIsOutputAndNoType) {
  const auto type_of = [](std::string output, std::vector<Header> headers) {
    Reply reply;
    reply.output = std::move(output);
    reply.headers = std::move(headers);
    return call_response(reply, id).content_type;
  };
  EXPECT_EQ(type_of("text", {}), "text/plain; charset=utf-8");
  EXPECT_EQ(type_of(std::string(3, '\0'), {}), "application/octet-stream");
  EXPECT_EQ(type_of(std::string(100'000, 'a'), {}), "text/plain; charset=utf-8");
  EXPECT_EQ(type_of("", {}), "");
  EXPECT_EQ(type_of("{}", {{"content-TYPE", "application/json"}}), "application/json");
}

TEST(CallResponse, KeepsTheHeadersThatAreCanopysOwn) {
  Reply reply;
  reply.headers = {{"x-call-id", "forged"}, {"X-MEMORY-BYTES", "1"}, {"X-Mine", "yes"}};
  const auto response = call_response(reply, id);
  EXPECT_EQ(header(response, "x-call-id"), "");
  EXPECT_EQ(header(response, "X-MEMORY-BYTES"), "");
  EXPECT_EQ(header(response, "X-Mine"), "yes");
  EXPECT_TRUE(has_line(response, "X-Call-Id: " + to_text(id)));
}

TEST(CheckReply, RefusesAStatusThatEndsNothing) {
  for (const int status : {200, 204, 418, 599}) {
    Reply reply;
    reply.status = status;
    EXPECT_FALSE(check_reply(reply)) << status;
  }
  for (const int status : {-1, 0, 100, 199, 600}) {
    Reply reply;
    reply.status = status;
    const auto error = check_reply(reply);
    ASSERT_TRUE(error) << status;
    EXPECT_EQ(error->code, Code::function_failed);
    EXPECT_EQ(error->stage, Stage::reply);
  }
}

TEST(CheckReply, RefusesMoreHeadersThanCanBeSent) {
  Reply many;
  many.headers.resize(reply_header_count_max, {"A", "b"});
  EXPECT_FALSE(check_reply(many));
  many.headers.push_back({"A", "b"});
  ASSERT_TRUE(check_reply(many));
  EXPECT_EQ(check_reply(many)->code, Code::limit);
  Reply large;
  large.headers = {{"A", std::string(reply_header_bytes_max, 'x')}};
  ASSERT_TRUE(check_reply(large));
  EXPECT_NE(check_reply(large)->message.find("32KiB"), std::string::npos);
}

TEST(ErrorResponse, HasTheStatusOfItsCodeAndSaysWhenToComeBack) {
  const auto busy = error_response({Code::exhausted, "full", Stage::queue}, id, milliseconds(2500));
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(header(busy, "Retry-After"), "3");
  EXPECT_EQ(busy.body, R"({"error":{"code":"exhausted","message":"full","origin":"limit","call":")" +
                           to_text(id) +
                           R"(","stage":"queue"}})"
                           "\n");
  const auto missing = error_response({Code::not_found, "none"});
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(header(missing, "Retry-After"), "");
}

}  // namespace
}  // namespace canopy::api
