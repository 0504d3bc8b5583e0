#include "base/units.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ParseSize, ReadsEachUnit) {
  EXPECT_EQ(parse_size("17"), 17);
  EXPECT_EQ(parse_size("64MiB"), 64 * MiB);
  EXPECT_EQ(parse_size("1.5GB"), 1'500'000'000);
  EXPECT_EQ(parse_size("2KiB"), 2048);
}

TEST(ParseSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "MiB", "-1", "1.5", "12XB", "1e3", "nan", "99999999999GiB", " 1"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(ParseDuration, ReadsEachUnit) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("1.5s"), milliseconds(1500));
  EXPECT_EQ(parse_duration("2m"), seconds(120));
  EXPECT_EQ(parse_duration("0s"), seconds(0));
}

TEST(ParseDuration, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "5", "s", "-1s", "1 s", "inf", "99999999d", "5S"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Units, TextReadsBackAsTheSameValue) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1000}, 64 * MiB, 3 * KiB + 1}) {
    EXPECT_EQ(parse_size(size_text(size)), size);
  }
  for (const Duration duration : {Duration(0), Duration(milliseconds(1500)), Duration(seconds(3600))}) {
    EXPECT_EQ(parse_duration(duration_text(duration)), duration);
  }
}

}  // namespace
}  // namespace canopy
