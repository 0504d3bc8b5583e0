// What people read: tables, sizes, durations, times, and what a function wrote.
#include <sstream>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include "cli/json_fields.h"
#include "cli/progress.h"
#include "cli/text_table.h"
#include "cli/when.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"

namespace canopy::cli {
namespace {

struct Screen {
  std::ostringstream out;
  std::ostringstream err;
  Terminal plain{{.out = out, .err = err}};
  Terminal rich{{.out = out, .err = err, .out_is_terminal = true, .err_is_terminal = true, .colour = true}};
};

TEST(TextTable, LinesColumnsUp) {
  Screen screen;
  TextTable table({"NAME", "SIZE", "STATE"});
  EXPECT_TRUE(table.empty());
  table.add({"a", "1 B", ""});
  table.add({"größer", "1.5 KiB", "gone"});
  table.print(screen.plain);
  EXPECT_EQ(screen.out.str(),
            "NAME    SIZE     STATE\n"
            "a       1 B\n"
            "größer  1.5 KiB  gone\n");
}

TEST(Terminal, StylesOnlyInColour) {
  const Screen screen;
  EXPECT_EQ(screen.plain.red("x") + screen.plain.bold("y"), "xy");
  EXPECT_EQ(screen.rich.red("x"), "\x1b[31mx\x1b[0m");
}

TEST(Terminal, ShowsWhatWouldMoveTheCursor) {
  const Screen screen;
  const std::string hostile = "a\x1b[2Jb\r\x07\x7f\tc\n\xc3\xa4";
  EXPECT_EQ(screen.rich.safe(hostile), "a\\x1b[2Jb\\x0d\\x07\\x7f\tc\n\xc3\xa4");
  EXPECT_EQ(screen.plain.safe(hostile), hostile);  // A file gets what was written.
  EXPECT_EQ(screen.rich.safe_error(hostile), screen.rich.safe(hostile));
  EXPECT_EQ(screen.plain.safe_error(hostile), hostile);
}

TEST(Terminal, ShowsControlsThatAreNoAscii) {
  const Screen screen;
  EXPECT_EQ(screen.rich.safe("\xc2\x9b"
                             "2J\xc2\x80\xc2\xa0"),
            "\\xc2\\x9b2J\\xc2\\x80\xc2\xa0");
  EXPECT_EQ(screen.rich.safe("\x9b"
                             "2J\xff\xc3"),
            "\\x9b2J\\xff\\xc3");
  EXPECT_EQ(screen.rich.safe("\xe2\x80\xae"
                             "cba\xe2\x81\xa9\xe2\x80\xa6\xe2\x82\xac"),
            "\\xe2\\x80\\xaecba\\xe2\\x81\\xa9\xe2\x80\xa6\xe2\x82\xac");
}

TEST(Progress, IsSilentWithoutATerminal) {
  Screen screen;
  {
    Progress progress(screen.plain, "waiting", Duration(0));
    progress.stop();
  }
  EXPECT_EQ(screen.err.str(), "");
}

TEST(Progress, TakesItsLineBack) {
  Screen screen;
  Progress progress(screen.rich, "waiting", Duration(0));
  progress.stop();
  progress.stop();
  const std::string text = screen.err.str();
  EXPECT_TRUE(text.empty() || text.ends_with("\r\x1b[K")) << text;
}

TEST(ShortText, IsShort) {
  EXPECT_EQ(short_size(0), "0 B");
  EXPECT_EQ(short_size(1023), "1023 B");
  EXPECT_EQ(short_size(1024), "1 KiB");
  EXPECT_EQ(short_size(1536), "1.5 KiB");
  EXPECT_EQ(short_size(240'000), "234 KiB");
  EXPECT_EQ(short_size(5 * 1024ULL * 1024), "5 MiB");
  EXPECT_EQ(short_size(3ULL << 30U), "3 GiB");
  EXPECT_EQ(short_seconds(0), "0 s");
  EXPECT_EQ(short_seconds(0.0000023), "2.3 us");
  EXPECT_EQ(short_seconds(0.0456), "45.6 ms");
  EXPECT_EQ(short_seconds(1.25), "1.25 s");
  EXPECT_EQ(short_seconds(100), "100 s");
  EXPECT_EQ(short_seconds(185), "3 min");
  EXPECT_EQ(short_seconds(7205), "2 h");
  EXPECT_EQ(short_seconds(200'000), "2 d");
}

TEST(When, ReadsWhatTheServerWrites) {
  const FakeClock clock;
  const WallTime time = clock.wall_now() + std::chrono::milliseconds(123);
  EXPECT_EQ(parse_time(wire::time_text(time)), time);
  EXPECT_EQ(parse_time("1970-01-01T00:00:05Z"), WallTime(std::chrono::seconds(5)));
}

TEST(When, ReadsNothingElse) {
  for (const std::string_view text :
       {"", "Z", "now", "1970-01-01", "1970-01-01T00:00:05", "1970-13-01T00:00:05Z", "1970-02-30T00:00:05Z",
        "1970-01-01 00:00:05Z", "x970-01-01T00:00:05Z", "1970-01-01T00:00:05.x23Z"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(When, SaysHowLongAgo) {
  FakeClock clock;
  const std::string time = wire::time_text(clock.wall_now());
  EXPECT_EQ(ago(time, clock), "just now");
  clock.advance(std::chrono::seconds(59));
  EXPECT_EQ(ago(time, clock), "59 s ago");
  clock.advance(std::chrono::hours(3));
  EXPECT_EQ(ago(time, clock), "3 h ago");
  EXPECT_EQ(ago("", clock), "");
}

TEST(JsonFields, AreEmptyWhereTheyAreNotWhatIsWanted) {
  const auto json = wire::parse_json(R"({"text":"a","number":1.5,"count":7,"below":-1,"flag":true,"null":null,
                                         "list":[1,2],"object":{"x":1}})");
  ASSERT_TRUE(json);
  EXPECT_EQ(text_field(*json, "text"), "a");
  EXPECT_EQ(text_field(*json, "count"), "");
  EXPECT_EQ(text_field(*json, "absent"), "");
  EXPECT_EQ(text_field(Json(5), "text"), "");
  EXPECT_EQ(number_field(*json, "number"), 1.5);
  EXPECT_EQ(number_field(*json, "text"), 0);
  EXPECT_EQ(count_field(*json, "count"), 7U);
  EXPECT_EQ(count_field(*json, "below"), 0U);
  EXPECT_TRUE(flag_field(*json, "flag"));
  EXPECT_FALSE(flag_field(*json, "text"));
  EXPECT_EQ(field(*json, "null"), nullptr);
  EXPECT_EQ(list_field(*json, "list").size(), 2U);
  EXPECT_TRUE(list_field(*json, "object").empty());
  EXPECT_EQ(object_field(*json, "object").size(), 1U);
  EXPECT_TRUE(object_field(*json, "list").empty());
}

}  // namespace
}  // namespace canopy::cli
