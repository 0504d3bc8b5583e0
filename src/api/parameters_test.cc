#include "api/parameters.h"

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

constexpr Duration year = std::chrono::hours(24 * 366);

Parameters read(std::string_view query) {
  auto parameters = Parameters::read(query, {"limit", "wait", "function", "after", "state", "follow"});
  EXPECT_TRUE(parameters.has_value()) << parameters.error().message;
  return parameters ? *std::move(parameters) : Parameters();
}

TEST(Parameters, ReadsEachKind) {
  const auto all =
      read("limit=7&wait=1.5s&function=a%2Fb&after=" + std::string(32, 'a') + "&state=failed&follow=yes");
  EXPECT_EQ(*all.count("limit", 1, 10), 7U);
  EXPECT_EQ(*all.duration("wait", year), std::chrono::milliseconds(1500));
  EXPECT_EQ(**all.function("function"), (FunctionName{"a", "b"}));
  EXPECT_EQ(to_text(**all.call("after")), std::string(32, 'a'));
  EXPECT_EQ(*all.state("state"), State::failed);
  EXPECT_TRUE(*all.flag("follow"));
}

TEST(Parameters, SaysNothingOfWhatIsAbsent) {
  const auto none = read("");
  EXPECT_EQ(*none.count("limit", 1, 10), std::nullopt);
  EXPECT_EQ(*none.duration("wait", year), std::nullopt);
  EXPECT_EQ(*none.function("function"), std::nullopt);
  EXPECT_EQ(*none.call("after"), std::nullopt);
  EXPECT_EQ(*none.state("state"), std::nullopt);
  EXPECT_FALSE(*none.flag("follow"));
  EXPECT_TRUE(*read("follow").flag("follow"));
}

TEST(Parameters, CountsALongDurationAsTheLongest) {
  EXPECT_EQ(*read("wait=9999d").duration("wait", year), year);
}

TEST(Parameters, RefusesValuesThatAreNone) {
  EXPECT_FALSE(read("limit=0").count("limit", 1, 10).has_value());
  EXPECT_FALSE(read("limit=11").count("limit", 1, 10).has_value());
  EXPECT_FALSE(read("limit=").count("limit", 1, 10).has_value());
  EXPECT_FALSE(read("limit=-1").count("limit", 1, 10).has_value());
  EXPECT_FALSE(read("wait=5").duration("wait", year).has_value());
  EXPECT_FALSE(read("function=a/b/c").function("function").has_value());
  EXPECT_FALSE(read("after=12").call("after").has_value());
  EXPECT_FALSE(read("state=lost").state("state").has_value());
  EXPECT_FALSE(read("follow=maybe").flag("follow").has_value());
  EXPECT_EQ(read("state=lost").state("state").error().message.find("the parameter 'state': "), 0U);
}

TEST(Parameters, RefusesNamesThatAreUnknownOrStandTwice) {
  for (const char* const bad : {"lmit=1", "limit=1&limit=2", "%zz=1", "limit=%zz", "=1", "LIMIT=1"}) {
    const auto parameters = Parameters::read(bad, {"limit"});
    ASSERT_FALSE(parameters.has_value()) << bad;
    EXPECT_EQ(parameters.error().code, Code::invalid);
  }
  EXPECT_TRUE(Parameters::read("&&limit=1&", {"limit"}).has_value());
  EXPECT_NE(Parameters::read("x=1", {}).error().message.find("there is none"), std::string::npos);
}

}  // namespace
}  // namespace canopy::api
