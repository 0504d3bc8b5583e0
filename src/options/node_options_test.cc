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
  NodeSettings settings = good();
  auto parents = check_node_settings(settings);
  ASSERT_TRUE(parents);
  ASSERT_EQ(parents->size(), 1U);
  EXPECT_EQ(parents->front().host, "gateway.example");
  EXPECT_EQ(parents->front().port, 9090);
  settings.join += ",other.example:9091";
  parents = check_node_settings(settings);
  ASSERT_TRUE(parents);
  ASSERT_EQ(parents->size(), 2U);
  EXPECT_EQ(parents->back().host, "other.example");
}

TEST(NodeSettings, ABalancerListens) {
  NodeSettings settings = good();
  settings.role = "balancer";
  EXPECT_NE(refusal(settings).find("--listen=HOST:PORT"), std::string::npos);
  settings.listen = "127.0.0.1:0";
  EXPECT_EQ(refusal(settings), "");
  settings.tls_cert = "cert.pem";
  EXPECT_NE(refusal(settings).find("--tls-key"), std::string::npos);
  settings.tls_key = "key.pem";
  settings.node_ca = "ca.pem";
  EXPECT_EQ(refusal(settings), "");
  settings.tls_cert.clear();
  settings.tls_key.clear();
  EXPECT_NE(refusal(settings).find("--tls-cert"), std::string::npos);
  settings.node_ca.clear();
  settings.role = "balancer,worker";
  EXPECT_TRUE(is_balancer(settings) && is_worker(settings));
  EXPECT_EQ(refusal(settings), "");
  settings.role = "worker";
  EXPECT_NE(refusal(settings).find("--listen is a balancer's"), std::string::npos);
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
  EXPECT_NE(with([](NodeSettings& s) { s.join = "gateway:1,,"; }).find("--join="), std::string::npos);
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
