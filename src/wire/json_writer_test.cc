#include "wire/json_writer.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

using namespace std::string_view_literals;

template <class Value>
std::string written(const Value& value) {
  JsonWriter json;
  json.value(value);
  return json.take_text();
}

TEST(JsonWriter, WritesObjectsAndArrays) {
  JsonWriter json;
  json.begin_object();
  json.member("a", 1);
  json.key("b");
  json.begin_array();
  json.value("x");
  json.begin_object();
  json.end_object();
  json.null();
  json.begin_array();
  json.end_array();
  json.value(true);
  json.end_array();
  json.member("c", "y");
  json.key("d");
  json.raw("{\"z\":0}");
  json.member("e", false);
  json.end_object();
  EXPECT_EQ(json.text(), R"({"a":1,"b":["x",{},null,[],true],"c":"y","d":{"z":0},"e":false})");
}

TEST(JsonWriter, EscapesTexts) {
  EXPECT_EQ(written("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(written("\n\r\t\b\x1B\x7F"), R"("\n\r\t\u0008\u001b\u007f")");
  EXPECT_EQ(written("\0"sv), R"("\u0000")");
  EXPECT_EQ(written("\xC3\xA4\xF0\x9F\x98\x80"), "\"\xC3\xA4\xF0\x9F\x98\x80\"");
  EXPECT_EQ(written(std::string()), "\"\"");
}

TEST(JsonWriter, RepairsBytesThatAreNotUtf8) {
  EXPECT_EQ(written("a\xFF\xC3z"), "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
  EXPECT_EQ(written("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  JsonWriter json;
  json.begin_object();
  json.member("k\xFF\n", 1);
  json.end_object();
  EXPECT_EQ(json.text(), "{\"k\xEF\xBF\xBD\\n\":1}");
}

TEST(JsonWriter, WritesNumbers) {
  EXPECT_EQ(written(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(written(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(written(0.25), "0.25");
  EXPECT_EQ(written(1e300), "1e+300");
  EXPECT_EQ(written(std::nan("")), "null");
  EXPECT_EQ(written(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonWriter, WritesTimesAndDurations) {
  using namespace std::chrono;
  const WallTime time = sys_days(2026y / January / 31) + 12h + 5min + 7s + 45ms + 999us;
  EXPECT_EQ(written(time), "\"2026-01-31T12:05:07.045Z\"");
  EXPECT_EQ(written(WallTime{}), "null");
  EXPECT_EQ(time_text(WallTime(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(written(Duration(1'500'000'000)), "1.5");
  EXPECT_EQ(written(Duration(0)), "0");
}

}  // namespace
}  // namespace canopy::wire
