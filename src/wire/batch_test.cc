#include "wire/batch.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

std::string error_of(std::string_view body) {
  const auto calls = parse_batch(body);
  return calls ? "" : calls.error().message;
}

TEST(Batch, ReadsCallsInTheirOrder) {
  const auto calls = parse_batch(
      R"({"calls": [{"json": [1, "é"]}, {"input": "text", "content_type": "text/plain", "timeout": "5s",
          "retry": 2, "idempotency_key": "k"}, {}]})");
  ASSERT_TRUE(calls) << calls.error().message;
  ASSERT_EQ(calls->size(), 3U);
  EXPECT_EQ((*calls)[0].input, "[1, \"é\"]");
  ASSERT_EQ((*calls)[0].headers.size(), 1U);
  EXPECT_EQ((*calls)[0].headers[0].value, "application/json");
  const DurableCall& second = (*calls)[1];
  EXPECT_EQ(second.input, "text");
  EXPECT_EQ(second.headers[0].value, "text/plain");
  EXPECT_EQ(second.timeout, std::chrono::seconds(5));
  EXPECT_EQ(second.retries_max, 2U);
  EXPECT_EQ(second.idempotency_key, "k");
  EXPECT_EQ((*calls)[2].method, "POST");
  EXPECT_TRUE((*calls)[2].input.empty() && (*calls)[2].headers.empty());
  EXPECT_TRUE(parse_batch(R"({"calls": []})"));
}

TEST(Batch, AnInputOfJsonIsItsTextAsItStands) {
  const std::vector<std::string> texts = {"1.0",
                                          "-0.0",
                                          "1e400",
                                          "123456789012345678901234567890",
                                          R"("\u00e9]")",
                                          "null",
                                          R"({ "a":1, "a": [2,{}] })",
                                          R"("\\\"")",
                                          "[[],[ ]]",
                                          "true",
                                          R"("")"};
  std::string batch = "{ \"calls\" :[";
  for (const std::string& text : texts) {
    if (!batch.ends_with('[')) batch += " ,";
    batch += R"({"retry":1, "js\u006fn" : )" + text + R"( ,"content_type":"a]}"} )";
  }
  const auto calls = parse_batch(batch + "] } ");
  ASSERT_TRUE(calls) << calls.error().message;
  ASSERT_EQ(calls->size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ((*calls)[i].input, texts[i]);
}

TEST(Batch, OfTwoMembersWithOneNameTheLastCounts) {
  const auto calls =
      parse_batch(R"({"calls":[1,{"json":9},5],"calls":"x","calls":[{"json":1,"json":[2]},{}]})");
  ASSERT_TRUE(calls) << calls.error().message;
  ASSERT_EQ(calls->size(), 2U);
  EXPECT_EQ((*calls)[0].input, "[2]");
  EXPECT_EQ((*calls)[1].input, "");
}

TEST(Batch, ANamedContentTypeGoesBeforeThatOfJson) {
  for (const char* const text : {R"({"calls":[{"json":1,"content_type":"application/x"}]})",
                                 R"({"calls":[{"content_type":"application/x","json":1}]})"}) {
    const auto calls = parse_batch(text);
    ASSERT_TRUE(calls);
    EXPECT_EQ((*calls)[0].headers[0].value, "application/x");
  }
}

TEST(Batch, SaysWhichCallIsWrongAndHow) {
  for (const char* const bad :
       {"", "[]", "{}", R"({"calls": {}})", R"({"calls": [], "more": 1})", "nonsense"}) {
    EXPECT_NE(error_of(bad), "") << bad;
  }
  EXPECT_EQ(error_of(R"({"calls": [{}, 1]})"), R"(call 1: it is no object such as {"json": [1, 2]})");
  EXPECT_EQ(error_of(R"({"calls": [{"json": 1, "input": ""}]})"),
            "call 0: it has both json and input; one of them is its input");
  for (const char* const bad :
       {R"({"input": 1})", R"({"retry": 101})", R"({"retry": -1})", R"({"retry": "2"})", R"({"timeout": 5})",
        R"({"timeout": "0s"})", R"({"idempotency_key": ""})", R"({"content_type": "a\r\nX-Other: 1"})",
        R"({"content_type": ""})", R"({"function": "demo/other"})"}) {
    EXPECT_TRUE(error_of(R"({"calls": [)" + std::string(bad) + "]}").starts_with("call 0: ")) << bad;
  }
}

TEST(Batch, HasAnEnd) {
  std::string body = R"({"calls": [{})";
  for (std::size_t i = 0; i < batch_calls_max; ++i) body += ",{}";
  const auto calls = parse_batch(body + "]}");
  ASSERT_FALSE(calls);
  EXPECT_EQ(calls.error().code, Code::too_large);
}

TEST(Batch, TakesNoManyTimesTheRoomOfItsText) {
  std::string body = R"({"calls": [{"json": [0)";
  for (std::size_t i = 0; i < batch_values_max; ++i) body += ",0";
  const auto calls = parse_batch(body + "]}]}");
  ASSERT_FALSE(calls);
  EXPECT_EQ(calls.error().code, Code::too_large);
  EXPECT_NE(calls.error().message.find("values"), std::string::npos);
  std::string quoted = R"({"calls": [{"input": ")";
  for (std::size_t i = 0; i < batch_values_max; ++i) quoted += ",[";
  EXPECT_TRUE(parse_batch(quoted + R"(\""}]})"));
  EXPECT_FALSE(parse_batch(R"({"calls": []} // hidden)"));
}

}  // namespace
}  // namespace canopy::wire
