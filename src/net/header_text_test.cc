#include "net/header_text.h"

#include <string>

#include <gtest/gtest.h>

#include "net/http.h"

namespace canopy::net {
namespace {

using namespace std::string_literals;

TEST(HeaderText, KnowsTokens) {
  EXPECT_TRUE(is_token("azAZ09!#$%&'*+-.^_`|~"));
  EXPECT_FALSE(is_token(""));
  for (const char c : "\0\t\r\n \"(),/:;<=>?@[\\]{}\x7f\x80\xff"s) {
    EXPECT_FALSE(is_token(std::string("a") + c)) << static_cast<int>(c);
  }
}

TEST(HeaderText, KnowsValues) {
  EXPECT_TRUE(is_field_value(""));
  EXPECT_TRUE(is_field_value(" \t!~\x80\xff"));
  for (const char c : "\0\x01\x08\n\x0b\r\x1f\x7f"s) {
    EXPECT_FALSE(is_field_value(std::string("a") + c + "b")) << static_cast<int>(c);
  }
}

TEST(HeaderText, FindsWordsInLists) {
  EXPECT_TRUE(list_has("close", "close"));
  EXPECT_TRUE(list_has("keep-alive,\t Close ,x", "close"));
  EXPECT_FALSE(list_has("", "close"));
  EXPECT_FALSE(list_has("close d, closed", "close"));
}

TEST(HttpRequest, GivesTheFirstHeaderOfAName) {
  HttpRequest request;
  request.headers = {{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(request.header("a"), "1");
  EXPECT_EQ(request.header("B"), "2");
  EXPECT_EQ(request.header("c"), "");
}

}  // namespace
}  // namespace canopy::net
