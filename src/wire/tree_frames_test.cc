#include "wire/tree_frames.h"

#include <limits>

#include <gtest/gtest.h>

#include "frames.pb.h"
#include "model/function.h"

namespace canopy::wire {
namespace {

TEST(TreeFrames, AnOfferComesAsItWent) {
  const Offer offer{.number = 7, .slots = 1000, .runtimes = {"js", "wasm"}};
  std::string body;
  write_offer(offer, body);
  EXPECT_EQ(read_offer({offer_head(offer), body}), offer);
  const Offer nothing{.number = 4'000'000'000, .slots = 0, .runtimes = {}};
  write_offer(nothing, body);
  EXPECT_EQ(read_offer({offer_head(nothing), body}), nothing);
}

TEST(TreeFrames, AnOfferHasBounds) {
  Offer offer{.slots = join_slots_max + 1, .runtimes = {}};
  std::string body;
  write_offer(offer, body);
  EXPECT_EQ(read_offer({offer_head(offer), body}).error().code, Code::invalid);
  offer = {.number = 1, .slots = 1, .runtimes = std::vector<std::string>(join_runtimes_max + 1, "a")};
  write_offer(offer, body);
  EXPECT_EQ(read_offer({offer_head(offer), body}).error().code, Code::invalid);
  offer.runtimes = {"not a name"};
  write_offer(offer, body);
  EXPECT_EQ(read_offer({offer_head(offer), body}).error().code, Code::invalid);
  EXPECT_EQ(read_offer({offer_head(offer), "\xff"}).error().code, Code::invalid);
}

TEST(TreeFrames, WhatIsWarmComesAsItWent) {
  std::string body;
  write_warm({.added = {1, ~std::uint64_t{0}}, .removed = {5}}, body);
  const auto change = read_warm(body);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->added, (std::vector<std::uint64_t>{1, ~std::uint64_t{0}}));
  EXPECT_EQ(change->removed, std::vector<std::uint64_t>{5});
  write_warm({.added = std::vector<std::uint64_t>(warm_count_max + 1, 3), .removed = {}}, body);
  EXPECT_EQ(read_warm(body).error().code, Code::invalid);
  EXPECT_EQ(read_warm("\xff").error().code, Code::invalid);
}

Node a_node(const std::string& name) {
  return {.name = name,
          .process = 77,
          .state = NodeState::draining,
          .running_count = 3,
          .resident_bytes = 4096,
          .since = WallTime(Duration(123)),
          .last_end = {},
          .address = "10.0.0.7:1",
          .slot_count = 8,
          .balancer = true,
          .instance = 99};
}

TEST(TreeFrames, ATreeComesAsItWent) {
  std::string body;
  write_tree({a_node("mid"), a_node("mid/leaf-1/w.2")}, body);
  const auto nodes = read_tree(body);
  ASSERT_TRUE(nodes);
  ASSERT_EQ(nodes->size(), 2U);
  const Node& last = nodes->at(1);
  EXPECT_EQ(last.name, "mid/leaf-1/w.2");
  EXPECT_EQ(last.process, 77);
  EXPECT_EQ(last.state, NodeState::draining);
  EXPECT_EQ(last.running_count, 3U);
  EXPECT_EQ(last.resident_bytes, 4096U);
  EXPECT_EQ(last.since, WallTime(Duration(123)));
  EXPECT_EQ(last.address, "10.0.0.7:1");
  EXPECT_EQ(last.slot_count, 8U);
  EXPECT_TRUE(last.balancer);
  EXPECT_EQ(last.instance, 99U);
}

TEST(TreeFrames, WhatIsTooDeepOrTooMuchIsNotToldOf) {
  std::string deep = "a";
  for (std::size_t i = 1; i < tree_depth_max; ++i) deep += "/a";
  std::string body;
  write_tree({a_node(deep), a_node(deep + "/a")}, body);
  EXPECT_EQ(read_tree(body)->size(), 1U);
  std::vector<Node> many;
  for (std::size_t i = 0; i <= tree_nodes_max; ++i) many.push_back(a_node("a" + std::to_string(10'000 + i)));
  write_tree(many, body);
  EXPECT_EQ(read_tree(body)->size(), tree_nodes_max);
}

TEST(TreeFrames, WhatIsToldOfFitsIntoAFrame) {
  std::string longest(name_part_size_max, 'a');
  for (std::size_t i = 1; i < tree_depth_max; ++i) longest += "/" + std::string(name_part_size_max, 'a');
  std::vector<Node> all;
  for (std::size_t i = 0; i < tree_nodes_max; ++i) {
    const std::string number = std::to_string(10'000 + i);
    all.push_back(a_node(longest.substr(0, longest.size() - number.size()) + number));
    all.back().address = std::string(100, '1');
  }
  std::string body;
  write_tree(all, body);
  EXPECT_LE(body.size(), frame_body_bytes_max);
  EXPECT_GT(body.size(), frame_body_bytes_max - 20'000);
  const auto nodes = read_tree(body);
  ASSERT_TRUE(nodes);
  EXPECT_EQ(nodes->back().name, all[nodes->size() - 1].name);
}

TEST(TreeFrames, ATreeThatIsNoneIsInvalid) {
  const auto read = [](auto change) {
    frames::Tree message;
    frames::Below& below = *message.add_below();
    below.set_name("a");
    change(below);
    return read_tree(message.SerializeAsString());
  };
  EXPECT_TRUE(read([](frames::Below&) {}));
  EXPECT_FALSE(read([](frames::Below& below) { below.set_name("a//b"); }));
  EXPECT_FALSE(read([](frames::Below& below) { below.set_name("a\x1b[2J"); }));
  EXPECT_FALSE(read([](frames::Below& below) { below.set_state(99); }));
  EXPECT_FALSE(read([](frames::Below& below) { below.set_address("a\nb"); }));
  EXPECT_FALSE(read([](frames::Below& below) { below.set_process(~std::uint64_t{0}); }));
  EXPECT_FALSE(
      read([](frames::Below& below) { below.set_since_ns(std::numeric_limits<std::int64_t>::min()); }));
  EXPECT_FALSE(read([](frames::Below& below) { below.set_since_ns(-1); }));
  EXPECT_EQ(read_tree("\xff").error().code, Code::invalid);
}

// What is counted by name would be counted twice.
TEST(TreeFrames, NobodyIsThereTwice) {
  const auto read = [](const std::vector<std::string>& names) {
    frames::Tree message;
    for (const std::string& name : names) message.add_below()->set_name(name);
    return read_tree(message.SerializeAsString()).has_value();
  };
  EXPECT_TRUE(read({"a", "a/b", "b"}));
  EXPECT_FALSE(read({"a", "a"}));
  EXPECT_FALSE(read({"a", "b", "a"}));
  std::string body;
  write_tree({a_node("a"), a_node("a"), a_node("b")}, body);
  EXPECT_EQ(read_tree(body)->size(), 2U);
}

}  // namespace
}  // namespace canopy::wire
