#include "wire/percent.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

using namespace std::string_view_literals;

TEST(PercentDecode, DecodesOnce) {
  EXPECT_EQ(*percent_decode("a%20b"), "a b");
  EXPECT_EQ(*percent_decode("%2e%2E"), "..");
  EXPECT_EQ(*percent_decode("%2541"), "%41");
  EXPECT_EQ(*percent_decode("%00"), "\0"sv);
  EXPECT_EQ(*percent_decode("a+b"), "a+b");
  EXPECT_EQ(*percent_decode(""), "");
}

TEST(PercentDecode, RefusesHalfAnEscape) {
  for (const std::string_view text : {"%", "%4", "a%4", "%zz", "%4g", "% 1", "%%41"}) {
    const auto decoded = percent_decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, Code::invalid);
    EXPECT_NE(decoded.error().message.find("is not an escape"), std::string::npos);
  }
}

TEST(PercentEncode, IsTheReverse) {
  EXPECT_EQ(percent_encode("a b/c?d=\xC3\xA4~"), "a%20b%2Fc%3Fd%3D%C3%A4~");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(*percent_decode(percent_encode(all)), all);
}

TEST(QueryValue, FindsTheFirstOfThatName) {
  EXPECT_EQ(**query_value("wait=30s&wait=1s", "wait"), "30s");
  EXPECT_EQ(**query_value("a=1&wait=30s", "wait"), "30s");
  EXPECT_EQ(**query_value("q=a+b%26c", "q"), "a b&c");
  EXPECT_EQ(**query_value("%77ait=x", "wait"), "x");
  EXPECT_EQ(**query_value("a=b=c", "a"), "b=c");
}

TEST(QueryValue, KnowsEmptyFromAbsent) {
  EXPECT_EQ(**query_value("follow&x=1", "follow"), "");
  EXPECT_EQ(**query_value("follow=&x=1", "follow"), "");
  EXPECT_FALSE(*query_value("follow=1", "foll"));
  EXPECT_FALSE(*query_value("", "x"));
  EXPECT_FALSE(*query_value("&&", "x"));
}

TEST(QueryValue, RefusesABadEscapeInItsOwnValueOnly) {
  EXPECT_EQ(**query_value("bad=%zz&%z=1&a=1", "a"), "1");
  const auto bad = query_value("a=%zz", "a");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Code::invalid);
  EXPECT_NE(bad.error().message.find("query parameter a: '%zz'"), std::string::npos);
}

}  // namespace
}  // namespace canopy::wire
