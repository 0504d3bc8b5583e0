#include "wire/python_json.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

std::string error(std::string_view text) {
  const auto body = read_python_json(text);
  if (body) return "good: " + body->text();
  return std::to_string(body.error().position) + ' ' + std::string(body.error().message);
}

// What Python 3.12 says of the same texts.
TEST(PythonJson, IsRefusedInPythonsWords) {
  EXPECT_EQ(error(""), "0 Expecting value");
  EXPECT_EQ(error("  "), "2 Expecting value");
  EXPECT_EQ(error("{"), "1 Expecting property name enclosed in double quotes");
  EXPECT_EQ(error("{a"), "1 Expecting property name enclosed in double quotes");
  EXPECT_EQ(error(R"({"a")"), "4 Expecting ':' delimiter");
  EXPECT_EQ(error(R"({"a":)"), "5 Expecting value");
  EXPECT_EQ(error(R"({"a":1)"), "6 Expecting ',' delimiter");
  EXPECT_EQ(error(R"({"a":1,)"), "7 Expecting property name enclosed in double quotes");
  EXPECT_EQ(error(R"({"a":1,})"), "7 Expecting property name enclosed in double quotes");
  EXPECT_EQ(error(R"({"a":1 "b":2})"), "7 Expecting ',' delimiter");
  EXPECT_EQ(error(R"({"a":1, "b")"), "11 Expecting ':' delimiter");
  EXPECT_EQ(error("["), "1 Expecting value");
  EXPECT_EQ(error("[1"), "2 Expecting ',' delimiter");
  EXPECT_EQ(error("[1,]"), "3 Expecting value");
  EXPECT_EQ(error("[,]"), "1 Expecting value");
  EXPECT_EQ(error("[1 2]"), "3 Expecting ',' delimiter");
  EXPECT_EQ(error("[]]"), "2 Extra data");
  EXPECT_EQ(error("1 2"), "2 Extra data");
  EXPECT_EQ(error("tru"), "0 Expecting value");
  EXPECT_EQ(error("-"), "0 Expecting value");
  EXPECT_EQ(error("01"), "1 Extra data");
  EXPECT_EQ(error("1."), "1 Extra data");
  EXPECT_EQ(error("1e"), "1 Extra data");
}

TEST(PythonJson, ItsStringsAreRefusedInPythonsWords) {
  EXPECT_EQ(error(R"("abc)"), "0 Unterminated string starting at");
  EXPECT_EQ(error(R"("a\)"), "0 Unterminated string starting at");
  EXPECT_EQ(error("\"a\x01\""), "2 Invalid control character at");
  EXPECT_EQ(error(R"("a\x")"), "2 Invalid \\escape");
  EXPECT_EQ(error(R"("a\u12")"), "3 Invalid \\uXXXX escape");
  EXPECT_EQ(error(R"("\u)"), "2 Invalid \\uXXXX escape");
  EXPECT_EQ(error("{\"\xC3\xA9\": x}"), "6 Expecting value") << "characters, not bytes";
}

TEST(PythonJson, IsWrittenAsPythonWritesIt) {
  EXPECT_EQ(error(" { \"a\" : [ 1 , -2.5e3 , true,null ] , \"b\":{ \"c\":\"\" } } "),
            R"(good: {"a":[1,-2.5e3,true,null],"b":{"c":""}})");
  EXPECT_EQ(error(R"(["\u00e9\ud83d\ude00\/\"\n\u0001"])"),
            "good: [\"\xC3\xA9\xF0\x9F\x98\x80/\\\"\\n\\u0001\"]");
  EXPECT_EQ(error("\xEF\xBB\xBF[]"), "good: []");
  EXPECT_EQ(error("[NaN,-Infinity,{}]"), "good: [null,null,{}]");
}

TEST(PythonJson, FailsInNoWordsAtWhatIsNoText) {
  EXPECT_EQ(error("\"\xff\""), "0 ");
  EXPECT_EQ(error(std::string(4301, '1')), "0 ");
  EXPECT_TRUE(error("0." + std::string(4301, '1')).starts_with("good: "));
  EXPECT_EQ(error(std::string(1000, '[')), std::to_string(python_json_depth_max + 1) + " ");
}

TEST(PythonJson, TheLastOfTwoKeysCounts) {
  const auto body = read_python_json(R"({"a":1,"\u0061":"two","b":3})");
  ASSERT_TRUE(body && body->is_object);
  ASSERT_NE(body->find("a"), nullptr);
  EXPECT_EQ(python_string(*body->find("a")), "two");
  EXPECT_EQ(body->find("c"), nullptr);
  EXPECT_EQ(python_string(*body->find("b")), std::nullopt);
}

TEST(PythonJson, HalfAPairOfSurrogatesIsNoText) {
  const auto body = read_python_json(R"({"a":"x\ud800\u0041","b":"\udc00"})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->text(), R"({"a":"x\ud800A","b":"\udc00"})");
  EXPECT_EQ(python_string(*body->find("a")), std::nullopt);
  EXPECT_EQ(python_string(*body->find("b")), std::nullopt);
}

}  // namespace
}  // namespace canopy::wire
