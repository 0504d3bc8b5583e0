#include "policy/dispatch.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

TEST(DispatchRules, HaveThreeWords) {
  for (const Dispatch way : {Dispatch::local, Dispatch::push, Dispatch::pull}) {
    EXPECT_EQ(parse_dispatch(to_text(way)).value(), way);
  }
  for (const std::string_view wrong : {"", "Push", "pull ", "remote"}) {
    const auto read = parse_dispatch(wrong);
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().code, Code::invalid);
  }
}

TEST(DispatchRules, AFunctionsOwnRuleWins) {
  const DispatchRules rules{
      .mode = Dispatch::push,
      .functions = {{{"demo", "near"}, Dispatch::local}, {{"demo", "slow"}, Dispatch::pull}}};
  EXPECT_EQ(choose_dispatch(rules, {"demo", "other"}), Dispatch::push);
  EXPECT_EQ(choose_dispatch(rules, {"demo", "near"}), Dispatch::local);
  EXPECT_EQ(choose_dispatch(rules, {"demo", "slow"}), Dispatch::pull);
}

TEST(DispatchRules, WorkersAreNeededWhereOneFunctionGoesToThem) {
  EXPECT_FALSE(needs_workers({}));
  EXPECT_TRUE(needs_workers({.mode = Dispatch::pull, .functions = {}}));
  EXPECT_FALSE(needs_workers({.mode = Dispatch::local, .functions = {{{"a", "b"}, Dispatch::local}}}));
  EXPECT_TRUE(needs_workers({.mode = Dispatch::local, .functions = {{{"a", "b"}, Dispatch::push}}}));
}

}  // namespace
}  // namespace canopy::policy
