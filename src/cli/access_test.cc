#include "cli/access.h"

#include <gtest/gtest.h>

#include "cli/shell.h"
#include "cli/top.h"

namespace canopy::cli {
namespace {

TEST(QuotasJson, TakesNumbersSizesAndNone) {
  EXPECT_EQ(*quotas_json({}), "{}");
  EXPECT_EQ(*quotas_json({"functions=3", "code_bytes=2KiB", "concurrency=none"}),
            R"({"functions":3,"code_bytes":2048,"concurrency":null})");
}

TEST(QuotasJson, RefusesWhatIsNoneAndSuggests) {
  for (const char* bad :
       {"functions", "functions=", "functions=-1", "functions=2KiB", "code_bytes=2", "=3", ""}) {
    const auto made = quotas_json({bad});
    if (std::string_view(bad) == "code_bytes=2") {
      EXPECT_TRUE(made) << bad;  // Plain bytes are a size.
      continue;
    }
    ASSERT_FALSE(made) << bad;
    EXPECT_EQ(made.error().code, Code::invalid) << bad;
  }
  EXPECT_NE(quotas_json({"function=3"}).error().message.find("did you mean 'functions'?"), std::string::npos)
      << quotas_json({"function=3"}).error().message;
}

TEST(ReadCounts, AddsUpByFunction) {
  const auto counts = read_counts(
      "# HELP canopy_calls_total Calls.\n"
      "canopy_calls_total{function=\"a/b\",outcome=\"ok\"} 7\n"
      "canopy_calls_total{function=\"a/b\",outcome=\"died\"} 2\n"
      "canopy_call_run_seconds_sum{function=\"a/b\"} 0.5\n"
      "canopy_call_run_seconds_bucket{function=\"a/b\",le=\"1\"} 9\n"
      "canopy_call_cpu_seconds_total{function=\"a/b\"} 0.25\n"
      "canopy_instances{core=\"0\"} 3\n"
      "canopy_calls_total{function=\"c/d\",outcome=\"ok\"} 1");
  ASSERT_EQ(counts.size(), 2);
  EXPECT_EQ(counts.at("a/b").calls, 9);
  EXPECT_EQ(counts.at("a/b").errors, 2);
  EXPECT_DOUBLE_EQ(counts.at("a/b").run_seconds, 0.5);
  EXPECT_DOUBLE_EQ(counts.at("a/b").cpu_seconds, 0.25);
  EXPECT_EQ(counts.at("c/d").calls, 1);
}

TEST(ReadCounts, PassesOverWhatIsNone) {
  EXPECT_TRUE(read_counts("").empty());
  EXPECT_TRUE(read_counts("nonsense\n\n{}\ncanopy_calls_total 5\n\xff").empty());
  EXPECT_EQ(read_counts("canopy_calls_total{function=\"a/b\",outcome=\"ok\"} x").at("a/b").calls, 0);
}

TEST(AccessVerbs, SayWhatIsWrongBeforeTheyAsk) {
  Shell shell;
  const auto refused = [&shell](const std::vector<std::string>& words, std::string_view why) {
    const Ended ended = shell.run(words);
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.err.find(why), std::string::npos) << ended.err;
  };
  refused({"user", "add", "bob", "--quota=nothing=1"}, "--quota=nothing=1 is none");
  refused({"user", "set", "bob"}, "say what to change");
  refused({"user", "set", "bob", "--disable", "--enable"}, "contradict each other");
  refused({"user", "add", "bob", "--role=king"}, "is none of");
  refused({"user", "add", "bob", "--password-file=" + shell.path("nothing")}, "nothing");
  const auto latin1 = shell.file("latin1", "gr\xfc\xdf mich, Welt\n").string();
  refused({"user", "add", "bob", "--password-file=" + latin1}, "is no UTF-8");
  refused({"secret", "set", "TOKEN", "-d", "x"}, "write namespace/NAME");
  refused({"secret", "set", "a/b/c/TOKEN", "-d", "x"}, "write namespace/NAME");
  refused({"secret", "set", "a/TOKEN"}, "pipe the value in");
  refused({"key", "create", "--expires=soon"}, "--expires");
}

}  // namespace
}  // namespace canopy::cli
