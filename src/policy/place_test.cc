#include "policy/place.h"

#include <array>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

// -- what each rule chooses of the same children, as a table

struct Child {
  std::uint32_t running = 0;
  std::uint32_t slots = 10;
  bool warm = false;
  std::uint64_t used = 0;
  std::uint32_t credit = 1;
  bool ready = true;
};

struct Case {
  std::string_view what;
  Placement placement;
  std::size_t turn = 0;
  std::vector<Child> children;
  std::optional<std::size_t> chosen;
};

std::vector<Candidate> candidates_of(const std::vector<Child>& children) {
  std::vector<Candidate> made;
  for (const Child& child : children) {
    made.push_back({.running_count = child.running,
                    .credit = child.credit,
                    .ready = child.ready,
                    .warm = child.warm,
                    .slots = child.slots,
                    .key = hash_of("child-" + std::to_string(made.size())),
                    .used = child.used});
  }
  return made;
}

constexpr Child full{.credit = 0};
constexpr Child leaving{.ready = false};
constexpr auto none = std::nullopt;

const std::vector<Case> cases = {
    {"nobody", Placement::locality, 0, {}, none},
    {"nobody with room", Placement::locality, 0, {full, leaving}, none},
    {"the least loaded", Placement::locality, 0, {{.running = 3}, {.running = 1}, {.running = 2}}, 1},
    {"one that has it warm", Placement::locality, 0, {{}, {.running = 1, .warm = true}}, 1},
    {"as good: the first", Placement::locality, 0, {{}, {.running = 2, .warm = true}}, 0},
    {"an idle one rather than a queue", Placement::locality, 0, {{.running = 3, .warm = true}, {}}, 1},
    {"the less loaded for its size",
     Placement::locality,
     0,
     {{.running = 3, .slots = 4}, {.running = 50, .slots = 100}},
     1},
    {"a large cold one, hardly used",
     Placement::locality,
     0,
     {{.running = 1, .slots = 4, .warm = true}, {.slots = 100}},
     1},
    {"the warm one where both idle", Placement::locality, 0, {{.slots = 100}, {.slots = 1, .warm = true}}, 1},
    {"one of no size is one of size 1", Placement::locality, 0, {{.slots = 0}, {.slots = 2}}, 1},
    {"not the full one", Placement::locality, 0, {{.warm = true, .credit = 0}, {.running = 9}}, 1},

    {"nobody", Placement::least_loaded, 0, {}, none},
    {"nobody with room", Placement::least_loaded, 0, {full, leaving}, none},
    {"the least loaded", Placement::least_loaded, 0, {{.running = 3}, {.running = 1}, {.running = 2}}, 1},
    {"whatever is warm", Placement::least_loaded, 0, {{.running = 1, .warm = true}, {}}, 1},
    {"for its size",
     Placement::least_loaded,
     0,
     {{.running = 2, .slots = 4}, {.running = 30, .slots = 100}},
     1},
    {"as good: the first",
     Placement::least_loaded,
     0,
     {leaving, {.running = 1, .slots = 2}, {.running = 2, .slots = 4}},
     1},

    {"nobody", Placement::round_robin, 3, {}, none},
    {"nobody with room", Placement::round_robin, 1, {full, leaving}, none},
    {"whose turn it is", Placement::round_robin, 1, {{}, {.running = 9}, {}}, 1},
    {"the next with room", Placement::round_robin, 1, {{}, full, leaving, {.running = 9}}, 3},
    {"round the end", Placement::round_robin, 2, {{}, {}, full}, 0},
    {"past the end", Placement::round_robin, 7, {{}, {}}, 0},

    {"nobody", Placement::most_recently_used, 0, {}, none},
    {"nobody with room", Placement::most_recently_used, 0, {full, leaving}, none},
    {"the last one",
     Placement::most_recently_used,
     0,
     {{.used = 3}, {.running = 9, .used = 8}, {.used = 5}},
     1},
    {"the one before where that is full",
     Placement::most_recently_used,
     0,
     {{.used = 3}, {.used = 8, .credit = 0}},
     0},
    {"the first where none was used", Placement::most_recently_used, 0, {{}, {}}, 0},

    {"nobody", Placement::consistent_hash, 0, {}, none},
    {"nobody with room", Placement::consistent_hash, 0, {full, leaving}, none},
    {"whoever has room", Placement::consistent_hash, 0, {full, {.running = 9}, leaving}, 1},
};

TEST(Placement, ChoosesAsTheTableSays) {
  for (const Case& one : cases) {
    const auto chosen =
        choose(one.placement, candidates_of(one.children), {.function = hash_of("f"), .turn = one.turn});
    EXPECT_EQ(chosen, one.chosen) << to_text(one.placement) << ": " << one.what;
  }
}

TEST(Placement, HasANameEach) {
  for (std::size_t i = 0; i < placement_names.size(); ++i) {
    const auto placement = parse_placement(placement_names.at(i));
    ASSERT_TRUE(placement);
    EXPECT_EQ(static_cast<std::size_t>(*placement), i);
    EXPECT_EQ(to_text(*placement), placement_names.at(i));
  }
  const auto wrong = parse_placement("nearest");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::invalid);
  EXPECT_NE(wrong.error().message.find("round-robin"), std::string::npos);
}

// -- consistent hashing

std::map<std::size_t, std::size_t> places_of(std::size_t functions, const std::vector<Candidate>& children) {
  std::map<std::size_t, std::size_t> places;
  for (std::size_t i = 0; i < functions; ++i) {
    places[i] =
        choose(Placement::consistent_hash, children, {.function = hash_of("fn" + std::to_string(i))}).value();
  }
  return places;
}

TEST(ConsistentHash, SpreadsFunctionsAndIgnoresLoad) {
  auto children = candidates_of(std::vector<Child>(4));
  const auto before = places_of(1000, children);
  std::array<std::size_t, 4> counts{};
  for (const auto& [function, place] : before) ++counts.at(place);
  for (const std::size_t count : counts) EXPECT_NEAR(static_cast<double>(count), 250, 60);
  children[1].running_count = 9;
  children[2].warm = true;
  EXPECT_EQ(places_of(1000, children), before);
}

TEST(ConsistentHash, WhenOneGoesOnlyItsFunctionsMove) {
  auto children = candidates_of(std::vector<Child>(4));
  const auto before = places_of(1000, children);
  children[2].ready = false;
  for (const auto& [function, place] : places_of(1000, children)) {
    EXPECT_NE(place, 2U);
    if (before.at(function) != 2) EXPECT_EQ(place, before.at(function));
  }
}

TEST(ConsistentHash, HashesAreTheSameEverywhere) {
  EXPECT_EQ(hash_of(""), 0xf52a15e9a9b5e89bU);
  EXPECT_EQ(hash_of("canopy"), 0x2959ade811c5cac8U);
}

Candidate asking(std::uint32_t credit, std::int64_t since) {
  return {.running_count = 0, .credit = credit, .ready = true, .warm = false, .asked_since = since};
}

TEST(ChooseAsking, TakesTheOneThatAskedFirst) {
  EXPECT_EQ(choose_asking(std::vector{asking(1, 30), asking(1, 10), asking(1, 20)}), 1U);
  EXPECT_EQ(choose_asking(std::vector{asking(1, 10), asking(1, 10)}), 0U);
}

TEST(ChooseAsking, NeitherLoadNorWhatIsWarmGoesBeforeThat) {
  auto candidates = std::vector{asking(1, 2), asking(1, 1)};
  candidates[0].warm = true;
  candidates[1].running_count = 9;
  EXPECT_EQ(choose_asking(candidates), 1U);
}

TEST(ChooseAsking, LeavesOutWhoDidNotAskOrIsNotReady) {
  auto candidates = std::vector{asking(0, 1), asking(1, 2), asking(3, 3)};
  candidates[1].ready = false;
  EXPECT_EQ(choose_asking(candidates), 2U);
  candidates[2].credit = 0;
  EXPECT_EQ(choose_asking(candidates), std::nullopt);
  EXPECT_EQ(choose_asking({}), std::nullopt);
}

}  // namespace
}  // namespace canopy::policy
