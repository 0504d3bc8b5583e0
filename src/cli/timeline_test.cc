#include "cli/timeline.h"

#include <gtest/gtest.h>

#include "wire/json_read.h"

namespace canopy::cli {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(std::string_view usage) {
  const auto json = wire::parse_json(usage);
  EXPECT_TRUE(json) << usage;
  return json ? timeline(*json) : Lines();
}

TEST(Timeline, HasThePartsOfACallOneAfterTheOther) {
  EXPECT_EQ(
      lines_of(R"({"queue_seconds":0.001,"hop_seconds":0.002,"start_seconds":0.003,"run_seconds":0.004})"),
      (Lines{"queue  +0 s   1 ms  ####",  //
             "hop    +1 ms  2 ms      ########", "start  +3 ms  3 ms              ############",
             "run    +6 ms  4 ms                          ################"}));
}

TEST(Timeline, LeavesOutWhatThereWasNot) {
  EXPECT_EQ(lines_of(R"({"queue_seconds":1,"hop_seconds":null,"start_seconds":0,"run_seconds":1})"),
            (Lines{"queue  +0 s  1 s  ####################",  //
                   "run    +1 s  1 s                      ####################"}));
  EXPECT_EQ(lines_of(R"({"queue_seconds":2,"run_seconds":null})"),
            (Lines{"queue  +0 s  2 s  ########################################"}));
  EXPECT_EQ(lines_of("{}"), Lines());
}

TEST(Timeline, ShowsSomethingOfTheShortestPart) {
  const Lines lines =
      lines_of(R"({"queue_seconds":0.000001,"hop_seconds":0,"start_seconds":9,"run_seconds":0.000001})");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_TRUE(lines[0].ends_with("  #")) << lines[0];
  EXPECT_EQ(lines[1].find('#'), std::string::npos) << lines[1];
  EXPECT_TRUE(lines[3].ends_with(" #")) << lines[3];
  EXPECT_EQ(lines[3].size(), lines[2].size());
}

TEST(Timeline, IsNotLongerForWhatIsNoTime) {
  for (const char* const usage :
       {R"({"queue_seconds":-5,"run_seconds":1e308,"start_seconds":1e308,"hop_seconds":1e308})",
        R"({"queue_seconds":"x","run_seconds":true})"}) {
    for (const std::string& line : lines_of(usage)) EXPECT_LT(line.size(), 90U) << line;
  }
}

TEST(WaitedSeconds, AreAllBeforeTheFirstInstruction) {
  EXPECT_EQ(waited_seconds(*wire::parse_json(
                R"({"queue_seconds":1,"hop_seconds":2,"start_seconds":4,"run_seconds":8})")),
            7);
  EXPECT_EQ(waited_seconds(*wire::parse_json(R"({"queue_seconds":1,"hop_seconds":null})")), 1);
}

}  // namespace
}  // namespace canopy::cli
