#include "wire/json_find.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

TEST(JsonFind, FindsWhatIsThere) {
  EXPECT_EQ(find_text(R"({"Id":"abc","Other":[1,{}]})", "Id"), "abc");
  EXPECT_EQ(find_number(R"({"StatusCode":137})", "StatusCode"), 137);
  EXPECT_EQ(find_number(R"({"StatusCode":0})", "StatusCode"), 0);
  EXPECT_EQ(find_number(R"({"State":{"Pid":42}})", "State", "Pid"), 42);
  EXPECT_TRUE(find_flag(R"({"State":{"OOMKilled":true}})", "State", "OOMKilled"));
  EXPECT_EQ(find_texts(R"([{"Id":"a"},{"No":1},{"Id":"b"}])", "Id"), (std::vector<std::string>{"a", "b"}));
}

TEST(JsonFind, WhatIsNotThereIsNothing) {
  for (const char* const text : {"", "{", "[]", "7", "{}", R"({"Id":7,"State":"x","StatusCode":"7"})"}) {
    EXPECT_EQ(find_text(text, "Id"), "") << text;
    EXPECT_FALSE(find_number(text, "StatusCode")) << text;
    EXPECT_FALSE(find_number(text, "State", "Pid")) << text;
    EXPECT_FALSE(find_flag(text, "State", "OOMKilled")) << text;
    EXPECT_TRUE(find_texts(text, "Id").empty()) << text;
  }
}

}  // namespace
}  // namespace canopy::wire
