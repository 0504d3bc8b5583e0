#include "options/node_options.h"

#include <set>

#include <gtest/gtest.h>

namespace canopy {
namespace {

std::string refusal(const NodeSettings& settings) {
  const auto checked = check_node_settings(settings);
  if (checked) return "";
  EXPECT_EQ(checked.error().code, Code::invalid);
  return checked.error().message;
}

NodeSettings good() {
  NodeSettings settings;
  settings.role = "worker";
  settings.join = "gateway.example:9090";
  return settings;
}

TEST(NodeSettings, SayWhomToJoin) {
  const auto address = check_node_settings(good());
  ASSERT_TRUE(address);
  EXPECT_EQ(address->host, "gateway.example");
  EXPECT_EQ(address->port, 9090);
}

TEST(NodeSettings, WhatIsMissingOrWrongIsNamed) {
  const auto with = [](void (*spoil)(NodeSettings&)) {
    NodeSettings settings = good();
    spoil(settings);
    return refusal(settings);
  };
  EXPECT_NE(with([](NodeSettings& s) { s.role = ""; }).find("--role=worker"), std::string::npos);
  EXPECT_NE(with([](NodeSettings& s) { s.role = "gateway"; }).find("--node-listen"), std::string::npos);
  EXPECT_NE(with([](NodeSettings& s) { s.join = ""; }).find("--join=HOST:PORT"), std::string::npos);
  EXPECT_NE(with([](NodeSettings& s) { s.join = "gateway"; }).find("--join=gateway"), std::string::npos);
  EXPECT_NE(with([](NodeSettings& s) { s.join = "gateway:0"; }).find("port 0"), std::string::npos);
  EXPECT_NE(with([](NodeSettings& s) { s.name = "a b"; }).find("is no name"), std::string::npos);
  EXPECT_NE(with([](NodeSettings& s) { s.name.assign(60, 'n'); }).find("is no name"), std::string::npos);
  EXPECT_NE(with([](NodeSettings& s) { s.data = ""; }).find("--data"), std::string::npos);
}

TEST(NodeSettings, EachHasASentenceOfHelpAndANameOfItsOwn) {
  NodeSettings settings;
  std::set<std::string_view> names;
  for (const OptionRow& row : node_option_rows(settings)) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.help.ends_with('.')) << row.name;
  }
}

}  // namespace
}  // namespace canopy
