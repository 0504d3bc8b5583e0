#include "wire/values.h"

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

TEST(ReadSize, ReadsOneInItsRange) {
  EXPECT_EQ(read_size("64MiB"), 64 * MiB);
  EXPECT_EQ(read_size("64KiB", {.min = 64 * KiB, .max = 64 * KiB}), 64 * KiB);
}

TEST(ReadSize, SaysWhatToWrite) {
  EXPECT_EQ(refusal(read_size("64 MB")), "'64 MB' is not a size; write 64MiB");
  EXPECT_EQ(refusal(read_size("64m")), "'64m' is not a size; write 64MiB");
  EXPECT_EQ(refusal(read_size("1.5 Gi")), "'1.5 Gi' is not a size; write 1.5GiB");
  EXPECT_EQ(refusal(read_size("much")), "'much' is not a size; write one such as 64MiB");
  EXPECT_EQ(refusal(read_size("")), "'' is not a size; write one such as 64MiB");
  EXPECT_EQ(refusal(read_size("-1")), "'-1' is not a size; write one such as 64MiB");
  EXPECT_EQ(refusal(read_size("1.2.3 MB")), "'1.2.3 MB' is not a size; write one such as 64MiB");
}

TEST(ReadSize, SaysTheRange) {
  const SizeRange range{.min = 64 * KiB, .max = 4 * GiB};
  EXPECT_EQ(refusal(read_size("64", range)),
            "'64' is too small: the least is 64KiB, and without a unit it counts bytes");
  EXPECT_EQ(refusal(read_size("63KiB", range)), "'63KiB' is too small: the least is 64KiB");
  EXPECT_EQ(refusal(read_size("5GiB", range)), "'5GiB' is too large: the most is 4GiB");
}

TEST(ReadDuration, ReadsOneInItsRange) {
  EXPECT_EQ(read_duration("250ms"), milliseconds(250));
  EXPECT_EQ(read_duration("1s", {.min = seconds(1), .max = seconds(1)}), seconds(1));
}

TEST(ReadDuration, SaysWhatToWriteAndTheRange) {
  EXPECT_EQ(refusal(read_duration("5")), "'5' is not a duration; write 5s");
  EXPECT_EQ(refusal(read_duration("5 seconds")), "'5 seconds' is not a duration; write 5s");
  EXPECT_EQ(refusal(read_duration("10 min")), "'10 min' is not a duration; write 10m");
  EXPECT_EQ(refusal(read_duration("soon")), "'soon' is not a duration; write one such as 250ms, 5s or 2m");
  const DurationRange range{.min = milliseconds(1), .max = std::chrono::hours(1)};
  EXPECT_EQ(refusal(read_duration("10us", range)), "'10us' is too short: the least is 1ms");
  EXPECT_EQ(refusal(read_duration("61m", range)), "'61m' is too long: the most is 1h");
}

TEST(ReadCount, ReadsWholeNumbers) {
  EXPECT_EQ(read_count("0"), 0U);
  EXPECT_EQ(read_count("18446744073709551615"), ~0ULL);
  for (const std::string_view text : {"", "-1", "+1", "1.5", "1e3", "0x10", " 1", "1 ", "one"}) {
    EXPECT_NE(refusal(read_count(text)).find("is not a whole number"), std::string::npos) << text;
  }
}

TEST(ReadCount, SaysTheRange) {
  const CountRange range{.min = 1, .max = 100};
  EXPECT_EQ(refusal(read_count("0", range)), "'0' is too small: the least is 1");
  EXPECT_EQ(refusal(read_count("101", range)), "'101' is too large: the most is 100");
  EXPECT_EQ(refusal(read_count("99999999999999999999999", range)),
            "'99999999999999999999999' is too large: the most is 100");
}

TEST(ReadBool, ReadsWords) {
  for (const std::string_view text : {"true", "True", "yes", "ON", "1"})
    EXPECT_EQ(read_bool(text), true) << text;
  for (const std::string_view text : {"false", "No", "off", "0"}) EXPECT_EQ(read_bool(text), false) << text;
  EXPECT_EQ(refusal(read_bool("maybe")), "'maybe' is neither true nor false");
  EXPECT_EQ(refusal(read_bool("")), "'' is neither true nor false");
}

TEST(InQuotes, IsSafeAndShort) {
  EXPECT_EQ(in_quotes("a\n"), "'a\\x0a'");
  EXPECT_LT(in_quotes(std::string(1000, 'x')).size(), 100U);
}

}  // namespace
}  // namespace canopy::wire
