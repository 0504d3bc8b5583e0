#include "mucpd/names.h"

#include <set>

#include <gtest/gtest.h>

namespace canopy::mucpd {
namespace {

TEST(Names, ArePlainWhereTheyCanBe) {
  EXPECT_EQ(to_text(function_of("alice", "add")), "mucpd-alice/add");
  EXPECT_EQ(to_text(function_of("Alice_2-b", "my_func")), "mucpd-Alice_2-b/my_func");
}

TEST(Names, AreEscapedWhereTheyAreNot) {
  EXPECT_EQ(to_text(function_of("a.b", "$x")), "mucpd-a.2eb/x.x.24x");
  EXPECT_EQ(to_text(function_of("_", "-")), "mucpd-x.x_/x.x-");
  EXPECT_EQ(function_of("u", "añadir").name, "a.c3.b1adir");
  EXPECT_EQ(function_of("u", "a/b c").name, "a.2fb.20c");
}

TEST(Names, AreWhatCanopyTakesForNames) {
  for (const std::string_view name :
       {"..", ".", "a..b", "$", " ", "x.x", "x.h", "x.user", "\x01", "名前", "a%2f"}) {
    const FunctionName made = function_of(name, name);
    EXPECT_TRUE(is_name_part(made.space)) << made.space;
    EXPECT_TRUE(is_name_part(made.name)) << made.name;
    EXPECT_EQ(unescape(made.name), name);
    EXPECT_TRUE(is_space(made.space));
    EXPECT_NE(made, marker_of(name));
  }
}

TEST(Names, StayApart) {
  std::set<std::string> made;
  const auto names = {"a",  "A",   "a.",  ".a",     "x.x",    "x.xa", "xxa", "$",
                      "24", ".24", "_24", "x.x.24", "x.user", "user", "x.h", "h"};
  for (const char* const name : names) made.insert(function_of("u", name).name);
  EXPECT_EQ(made.size(), names.size());
}

TEST(Names, ThatAreLongBecomeDigests) {
  const std::string letters(63, 'a');
  EXPECT_EQ(function_of("u", letters).name, letters);
  const FunctionName longer = function_of(letters, letters + "a");
  EXPECT_TRUE(longer.space.starts_with("mucpd-x.h")) << "57 have room";
  EXPECT_TRUE(longer.name.starts_with("x.h"));
  EXPECT_NE(longer.name, function_of("u", letters + "b").name);
  EXPECT_TRUE(is_name_part(longer.space) && is_name_part(longer.name));
  EXPECT_EQ(unescape(longer.name), "");
}

}  // namespace
}  // namespace canopy::mucpd
