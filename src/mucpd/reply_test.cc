#include "mucpd/reply.h"

#include <gtest/gtest.h>

namespace canopy::mucpd {
namespace {

std::string text_of_failure(Code code, const std::string& message, Stage stage = Stage::run) {
  store::StoredResult result;
  result.error = Error{code, message, stage};
  return result_json(result, "add", std::chrono::minutes(15));
}

store::StoredResult with_output(std::string output) {
  store::StoredResult result;
  result.output = std::move(output);
  return result;
}

TEST(Reply, HasMucpdsEnvelope) {
  EXPECT_EQ(success("1").body, R"({"error":false,"res":1})");
  EXPECT_EQ(success("").body, R"({"error":false})");
  EXPECT_EQ(failure("[ERR] \"a\"\n").body, R"({"error":true,"res":"[ERR] \"a\"\n"})");
  EXPECT_EQ(failure("x").status, 200);
}

TEST(Reply, SaysOfARunThatEndedWhatMucpdWouldHave) {
  EXPECT_EQ(text_of_failure(Code::deadline, "too late"),
            R"("Error: Script execution timed out after 900000ms")");
  EXPECT_EQ(text_of_failure(Code::deadline, "it waited too long", Stage::queue),
            R"("Error: it waited too long")");
  EXPECT_EQ(text_of_failure(Code::not_found, "no function"),
            R"("[ERR] User function <add> does not exist.")");
  EXPECT_EQ(text_of_failure(Code::function_failed, "RangeError: too deep\n  at f"),
            R"("RangeError: too deep")");
  EXPECT_EQ(text_of_failure(Code::limit, "more memory than 64MiB"), R"("Error: more memory than 64MiB")");
}

TEST(Reply, PassesOnWhatTheRunnerWrote) {
  const auto result = with_output("\"a\\nb\"\n{\"ok\":true,\"type\":\"string\",\"value\":\"a\\nb\"}");
  EXPECT_EQ(result_json(result, "f", {}), R"("a\nb")");
  EXPECT_EQ(typed_json(result, "f", {}), R"({"ok":true,"type":"string","value":"a\nb"})");
}

// A function shares its realm with the runner, and may make of its output what it likes; but not of ours.
TEST(Reply, IsAnEnvelopeWhateverAFunctionDoes) {
  for (const std::string output :
       {"", "no JSON", "1\n{}", "\"a\",\"b\"\n{}", "{\"a\":1}\n{}", "\"a\\", "\n"}) {
    std::string json = result_json(with_output(output), "f", {});
    EXPECT_TRUE(json.starts_with('"') && json.ends_with('"')) << json;
  }
  EXPECT_EQ(typed_json(with_output("\"a\"\n[],{}"), "f", {}), R"({"ok":true,"type":"string","value":"a"})");
}

}  // namespace
}  // namespace canopy::mucpd
