#include "policy/dispatch.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

TEST(DispatchRules, AFunctionsOwnRuleWins) {
  const DispatchRules rules{
      .mode = Dispatch::push,
      .functions = {{{"demo", "near"}, Dispatch::local}, {{"demo", "slow"}, Dispatch::pull}}};
  EXPECT_EQ(choose_dispatch(rules, {"demo", "other"}), Dispatch::push);
  EXPECT_EQ(choose_dispatch(rules, {"demo", "near"}), Dispatch::local);
  EXPECT_EQ(choose_dispatch(rules, {"demo", "slow"}), Dispatch::pull);
}

TEST(DispatchRules, WhatAFunctionSaysGoesBeforeTheRuleForAllAndBehindAnException) {
  const DispatchRules rules{.mode = Dispatch::push, .functions = {{{"demo", "near"}, Dispatch::local}}};
  EXPECT_EQ(choose_dispatch(rules, {"demo", "other"}, Dispatch::pull), Dispatch::pull);
  EXPECT_EQ(choose_dispatch(rules, {"demo", "other"}, Dispatch::local), Dispatch::local);
  EXPECT_EQ(choose_dispatch(rules, {"demo", "near"}, Dispatch::pull), Dispatch::local);
}

TEST(DispatchRules, WorkersAreNeededWhereOneFunctionGoesToThem) {
  EXPECT_FALSE(needs_workers({}));
  EXPECT_TRUE(needs_workers({.mode = Dispatch::pull, .functions = {}}));
  EXPECT_FALSE(needs_workers({.mode = Dispatch::local, .functions = {{{"a", "b"}, Dispatch::local}}}));
  EXPECT_TRUE(needs_workers({.mode = Dispatch::local, .functions = {{{"a", "b"}, Dispatch::push}}}));
}

}  // namespace
}  // namespace canopy::policy
