#include "builders/reply.h"

#include <gtest/gtest.h>

#include "wire/base64.h"
#include "wire/pickle.h"

namespace canopy::builders {
namespace {

std::string reason(std::string_view message) { return invalid_payload(message).body; }

store::StoredResult failed(Code code, std::string message, std::string raised = "") {
  store::StoredResult result;
  result.state = State::failed;
  result.error = Error{code, std::move(message), Stage::run};
  result.output = std::move(raised);
  return result;
}

std::string text(std::string_view words) { return wire::write_base64(wire::pickle_text(words)); }

TEST(BuildersReply, ShowsWhatPythonSaidOfAPayload) {
  EXPECT_EQ(reason("Incorrect padding"), R"({"detail":"Invalid function payload: Incorrect padding"})");
  EXPECT_EQ(reason("the function cannot be imported: ModuleNotFoundError: No module named 'tests'\n"),
            R"({"detail":"Invalid function payload: No module named 'tests'"})");
  EXPECT_EQ(reason("the function cannot be imported: TypeError: Payload is not callable\n"),
            R"({"detail":"Invalid function payload: 400: Payload is not callable"})");
  EXPECT_EQ(reason("the function cannot be imported: EOFError\n"),
            R"({"detail":"Invalid function payload: "})");
  EXPECT_EQ(reason("importing the function took longer than 1m"),
            R"({"detail":"Invalid function payload: importing the function took longer than 1m"})");
}

TEST(BuildersReply, KnowsBothWordsForSuccess) {
  EXPECT_EQ(status_word(State::queued, "COMPLETE"), "QUEUED");
  EXPECT_EQ(status_word(State::running, "COMPLETE"), "RUNNING");
  EXPECT_EQ(status_word(State::completed, "COMPLETE"), "COMPLETE");
  EXPECT_EQ(status_word(State::completed, "COMPLETED"), "COMPLETED");
  EXPECT_EQ(status_word(State::failed, "COMPLETED"), "FAILED");
  EXPECT_EQ(status_word(State::canceled, "COMPLETED"), "FAILED");
}

TEST(BuildersReply, GivesAResultAsItCame) {
  store::StoredResult result;
  result.state = State::completed;
  result.output = "gARLBC4=\n";
  EXPECT_EQ(result_text(result, Failures::strings), "gARLBC4=\n");
  EXPECT_EQ(result_text(result, Failures::exceptions), "gARLBC4=\n");
  result.output = "no result of such a function";
  EXPECT_EQ(result_text(result, Failures::strings), std::nullopt);
}

TEST(BuildersReply, TellsAFailureInTheWordsOfFaasBuilders) {
  const auto told = [](Code code, std::string message) {
    return result_text(failed(code, std::move(message), "\x80\x04K\x04."), Failures::strings);
  };
  constexpr std::string_view due = "FailedFunctionError: Failed task execution due to ";
  EXPECT_EQ(told(Code::function_failed,
                 "ZeroDivisionError: division by zero\nTraceback (most recent call last):\n x"),
            text(std::string(due) + "division by zero"));
  EXPECT_EQ(told(Code::function_failed, "KeyError: 'a: b'\nTraceback (most recent call last):\n"),
            text(std::string(due) + "'a: b'"));
  EXPECT_EQ(told(Code::function_failed, "ValueError: two\nlines\nTraceback (most recent call last):\n"),
            text(std::string(due) + "two\nlines"));
  EXPECT_EQ(told(Code::function_failed, "ValueError\nTraceback (most recent call last):\n"), text(due));
  EXPECT_EQ(told(Code::function_failed, "its process ended with status 3 before it had answered"),
            text(std::string(due) + "its process ended with status 3 before it had answered"));
  EXPECT_EQ(told(Code::limit, "its output is larger than allowed, 6MiB"),
            text(std::string(due) + "its output is larger than allowed, 6MiB"));
  EXPECT_EQ(told(Code::deadline, "the deadline passed while it ran"),
            text("WorkerFailure: Task execution timed out"));
  EXPECT_EQ(told(Code::died, "SIGSEGV"), text("WorkerFailure: Worker failed during task execution"));
  EXPECT_EQ(told(Code::canceled, "x"), text("WorkerFailure: Task was cancelled"));
  EXPECT_EQ(told(Code::not_found, "it is gone"), text("WorkerFailure: it is gone"));
}

TEST(BuildersReply, GivesTheExceptionWhereOneIsAskedFor) {
  const std::string raised = wire::pickle_exception("ValueError", "bad");
  const auto told = [](const store::StoredResult& result) {
    return result_text(result, Failures::exceptions);
  };
  EXPECT_EQ(told(failed(Code::function_failed, "ValueError: bad", raised)), wire::write_base64(raised));
  EXPECT_EQ(told(failed(Code::function_failed, "ValueError: bad")),
            text("FailedFunctionError: Failed task execution due to bad"));
  EXPECT_EQ(told(failed(Code::function_failed, "ValueError: bad", "forged")),
            text("FailedFunctionError: Failed task execution due to bad"));
  EXPECT_EQ(
      told(failed(Code::deadline, "late")),
      wire::write_base64(wire::pickle_exception("TimeoutError", "WorkerFailure: Task execution timed out")));
  EXPECT_EQ(told(failed(Code::died, "x")),
            wire::write_base64(wire::pickle_exception("RuntimeError",
                                                      "WorkerFailure: Worker failed during task execution")));
}

TEST(BuildersReply, BoundsTheWordsOfAFailure) {
  const auto told =
      result_text(failed(Code::function_failed, "E: " + std::string(1'000'000, '\xc3')), Failures::strings);
  ASSERT_TRUE(told);
  EXPECT_TRUE(wire::check_pickle(*wire::read_base64(*told)));
}

}  // namespace
}  // namespace canopy::builders
