#include "builders/body.h"

#include <gtest/gtest.h>

namespace canopy::builders {
namespace {

constexpr std::string_view id = "0f8fad5b-d9cb-469f-a165-70867728950e";

template <class Read>
std::string refusal(const Read& read, std::string body, std::string_view type = "application/json") {
  net::HttpRequest request;
  request.body = std::move(body);
  if (!type.empty()) request.headers = {{"Content-Type", type}};
  const auto got = read(request);
  if (got) return "";
  return std::to_string(got.error().status) + ' ' + got.error().body;
}

std::string registration(std::string body, std::string_view type = "application/json") {
  return refusal(read_registration, std::move(body), type);
}
std::string execution(std::string body) { return refusal(read_execution, std::move(body)); }

TEST(BuildersBody, IsTakenAsItIsMeant) {
  net::HttpRequest request;
  request.body = R"({"name":"f","payload":"gA\n","python_version":"3.12.1","other":[1]})";
  const auto read = read_registration(request);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "f");
  EXPECT_EQ(read->payload, "gA\n");
  EXPECT_EQ(read->python, "3.12");
  request.body = R"({"payload":"","function_id":"0F8FAD5BD9CB469FA16570867728950E"})";
  const auto execution = read_execution(request);
  ASSERT_TRUE(execution);
  EXPECT_EQ(to_text(execution->function), id);
  EXPECT_EQ(registration(R"({"name":"","payload":""})", "application/vnd.api+json; charset=utf-8"), "");
  EXPECT_EQ(registration(R"({"name":"","payload":""})", ""), "");
}

// What FastAPI 0.115 with pydantic 2.10 answers.
TEST(BuildersBody, IsRefusedInTheWordsOfFastApi) {
  EXPECT_EQ(registration(R"({"name": "f"})"),
            R"(422 {"detail":[{"type":"missing","loc":["body","payload"],"msg":"Field required",)"
            R"("input":{"name":"f"}}]})");
  EXPECT_EQ(registration("{}"),
            R"(422 {"detail":[{"type":"missing","loc":["body","name"],"msg":"Field required","input":{}},)"
            R"({"type":"missing","loc":["body","payload"],"msg":"Field required","input":{}}]})");
  EXPECT_EQ(
      registration(R"({"name":1,"payload":null})"),
      R"(422 {"detail":[{"type":"string_type","loc":["body","name"],"msg":"Input should be a valid string",)"
      R"("input":1},{"type":"string_type","loc":["body","payload"],)"
      R"("msg":"Input should be a valid string","input":null}]})");
  EXPECT_EQ(registration(""),
            R"(422 {"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]})");
  EXPECT_EQ(registration("null"), registration(""));
  EXPECT_EQ(registration("[1]"),
            R"(422 {"detail":[{"type":"model_attributes_type","loc":["body"],)"
            R"("msg":"Input should be a valid dictionary or object to extract fields from","input":[1]}]})");
  EXPECT_EQ(registration("{}", "text/plain"),
            R"(422 {"detail":[{"type":"model_attributes_type","loc":["body"],)"
            R"("msg":"Input should be a valid dictionary or object to extract fields from","input":"{}"}]})");
  EXPECT_EQ(registration("{"),
            R"(422 {"detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},)"
            R"("ctx":{"error":"Expecting property name enclosed in double quotes"}}]})");
  EXPECT_EQ(registration("\"\xff\""), R"(400 {"detail":"There was an error parsing the body"})");
}

TEST(BuildersBody, IsNotRepeatedWhereItIsLong) {
  const std::string refused = registration(R"({"name":[)" + std::string(20'000, ' ') + "1" +
                                           R"(],"payload":[")" + std::string(20'000, 'x') + R"("]})");
  EXPECT_LT(refused.size(), 1000U);
  EXPECT_NE(refused.find(R"("input":[1])"), std::string::npos) << refused;
  EXPECT_NE(refused.find("\"input\":\"(too long to be repeated)\""), std::string::npos) << refused;
}

TEST(BuildersBody, SaysWhatIsWrongWithAnId) {
  EXPECT_EQ(
      execution(R"({"function_id":"abc","payload":""})"),
      R"(422 {"detail":[{"type":"uuid_parsing","loc":["body","function_id"],"msg":"Input should be a valid )"
      R"(UUID, invalid length: expected length 32 for simple format, found 3","input":"abc",)"
      R"("ctx":{"error":"invalid length: expected length 32 for simple format, found 3"}}]})");
  EXPECT_EQ(execution(R"({"function_id":7,"payload":""})"),
            R"(422 {"detail":[{"type":"uuid_type","loc":["body","function_id"],)"
            R"("msg":"UUID input should be a string, bytes or UUID object","input":7}]})");
  const auto task = read_task("12");
  ASSERT_FALSE(task);
  EXPECT_EQ(
      task.error().body,
      R"({"detail":[{"type":"uuid_parsing","loc":["path","task_id"],"msg":"Input should be a valid UUID, )"
      R"(invalid length: expected length 32 for simple format, found 2","input":"12",)"
      R"("ctx":{"error":"invalid length: expected length 32 for simple format, found 2"}}]})");
}

}  // namespace
}  // namespace canopy::builders
