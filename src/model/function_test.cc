#include "model/function.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(FunctionName, ReadsSpaceAndName) {
  EXPECT_EQ(to_text(*parse_function_name("demo/hello")), "demo/hello");
  EXPECT_EQ(to_text(*parse_function_name("hello")), "default/hello");
  EXPECT_EQ(to_text(*parse_function_name("Demo.1/c_example-2")), "Demo.1/c_example-2");
}

TEST(FunctionName, RefusesWhatCouldBeAPathOrAForgery) {
  const std::string long_name(64, 'a');
  for (const std::string& text :
       {std::string(""), std::string("/"), std::string("a/"), std::string("/b"), std::string("a/b/c"),
        std::string("../b"), std::string("a/.."), std::string("a/b..c"), std::string("a/b\0c", 5),
        std::string("a/-b"), std::string("a/\xd0\xb6"), "a/" + long_name}) {
    EXPECT_FALSE(parse_function_name(text)) << text;
  }
}

TEST(FunctionName, SaysWhichPartIsWrong) {
  const auto name = parse_function_name("good/bad\n");
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code, Code::invalid);
  EXPECT_NE(name.error().message.find("'bad\\x0a' is not a name"), std::string::npos);
}

}  // namespace
}  // namespace canopy
