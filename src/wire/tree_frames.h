#pragma once
// What nodes tell those above them in the tree: how many calls they take, which functions they have loaded,
// and who is below them.
//
// Reading takes apart what came from elsewhere: what is not a body of its kind, or past a bound, is
// `invalid`.
//
// Threads: any.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/node.h"
#include "wire/frame.h"
#include "wire/join_frames.h"

namespace canopy::wire {

// What a balancer takes. It goes out on each of its connections, in any order: the one with the highest
// number holds.
struct Offer {
  std::uint32_t number = 0;
  std::uint32_t slots = 0;            // Calls at once, of all connections: at most join_slots_max.
  std::vector<std::string> runtimes;  // Those that are below it; none: nothing is.
  bool operator==(const Offer&) const = default;
};

// By policy::hash_of() their digests.
struct WarmChange {
  std::vector<std::uint64_t> added;
  std::vector<std::uint64_t> removed;
};

inline constexpr std::size_t warm_count_max = 8192;  // Functions that one says it has loaded.
inline constexpr std::size_t tree_nodes_max = 4096;  // Of one tree, that are told of.

FrameHead offer_head(const Offer& offer);
// Each appends to `out`, which is cleared first.
void write_offer(const Offer& offer, std::string& out);
void write_warm(const WarmChange& change, std::string& out);
// In order of their names, none of which is there twice: what comes out of order is left out. The first of
// them, as many as may be told of and fit into a frame.
void write_tree(const std::vector<Node>& nodes, std::string& out);

Result<Offer> read_offer(const Frame& frame);
Result<WarmChange> read_warm(std::string_view body);
Result<std::vector<Node>> read_tree(std::string_view body);

}  // namespace canopy::wire
