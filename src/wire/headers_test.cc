#include "wire/headers.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

template <class T>
std::string refusal(const Result<T>& result) {
  if (result) return "";
  EXPECT_EQ(result.error().code, Code::invalid);
  return result.error().message;
}

TEST(ParseTimeout, ReadsUnitsAndPlainSeconds) {
  EXPECT_EQ(parse_timeout("5s"), seconds(5));
  EXPECT_EQ(parse_timeout(" 250ms "), milliseconds(250));
  EXPECT_EQ(parse_timeout("2.5"), milliseconds(2500));
  EXPECT_EQ(parse_timeout("3600"), std::chrono::hours(1));
}

TEST(ParseTimeout, RefusesTheRest) {
  for (const std::string_view text :
       {"", "0", "0s", "-1", "soon", "1e3", "3601", "2h", "1.2.3", "nan", "inf", "."}) {
    EXPECT_NE(refusal(parse_timeout(text)).find("X-Canopy-Timeout: '"), std::string::npos) << text;
  }
  EXPECT_LT(refusal(parse_timeout(std::string(10'000, '9'))).size(), 300U);
}

TEST(ParseRetry, ReadsASmallCount) {
  EXPECT_EQ(parse_retry("0"), 0U);
  EXPECT_EQ(parse_retry("100"), 100U);
  for (const std::string_view text : {"", "-1", "101", "two"}) {
    EXPECT_NE(refusal(parse_retry(text)).find("X-Canopy-Retry: '"), std::string::npos) << text;
  }
}

TEST(ParseIdempotencyKey, ReadsVisibleCharacters) {
  EXPECT_EQ(parse_idempotency_key(" order-1/2 "), "order-1/2");
  EXPECT_TRUE(parse_idempotency_key(std::string(255, 'k')));
  for (const std::string& text : {std::string(), std::string("a b"), std::string("a\x7f"),
                                  std::string("\xC3\xA4"), std::string(256, 'k')}) {
    EXPECT_NE(refusal(parse_idempotency_key(text)).find("Idempotency-Key: '"), std::string::npos) << text;
  }
}

TEST(ParseTraceparent, ReadsTheStandardForm) {
  const auto trace = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->trace_id.front(), 0x0A);
  EXPECT_EQ(trace->trace_id.back(), 0x9C);
  EXPECT_EQ(trace->parent_id.front(), 0xB7);
  EXPECT_TRUE(trace->sampled);
  EXPECT_FALSE(parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")->sampled);
  EXPECT_TRUE(parse_traceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"));
}

TEST(ParseTraceparent, TakesAMalformedOneForNone) {
  for (const std::string_view text : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                                      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                      "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                                      "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more"}) {
    EXPECT_FALSE(parse_traceparent(text)) << text;
  }
}

TEST(MediaType, IsInLowerCaseAndAlone) {
  EXPECT_EQ(media_type("Application/WASM"), "application/wasm");
  EXPECT_EQ(media_type(" text/html ; charset=utf-8"), "text/html");
  EXPECT_EQ(media_type(""), "");
}

TEST(HeaderParameter, ReadsPlainAndQuotedValues) {
  EXPECT_EQ(header_parameter("multipart/form-data; boundary=abc", "boundary"), "abc");
  EXPECT_EQ(header_parameter("multipart/form-data;Boundary = \"a; b\" ; x=1", "boundary"), "a; b");
  EXPECT_EQ(header_parameter("form-data; name=\"a\\\"b\"; filename=\"C:\\dir\\x\"", "name"), "a\"b");
  EXPECT_EQ(header_parameter("form-data; name=\"a\"; filename=\"C:\\dir\\x\"", "filename"), "C:\\dir\\x");
  EXPECT_EQ(header_parameter("a; flag; b=2", "b"), "2");
  EXPECT_EQ(header_parameter("a;; b=", "b"), "");
}

TEST(HeaderParameter, IsNotThere) {
  EXPECT_FALSE(header_parameter("multipart/form-data", "boundary"));
  EXPECT_FALSE(header_parameter("boundary=abc", "boundary"));
  EXPECT_FALSE(header_parameter("a; xboundary=abc", "boundary"));
  EXPECT_FALSE(header_parameter("a; b=\"open", "b"));
  EXPECT_FALSE(header_parameter("a; b=\"x\"y; c=1", "c"));
  EXPECT_FALSE(header_parameter("a; x=\"; b=1\"", "b"));  // Inside quotes.
  EXPECT_FALSE(header_parameter("", "b"));
}

}  // namespace
}  // namespace canopy::wire
