#pragma once
// Which child gets a call: a worker, or a balancer with workers below it. By one of these rules, each of
// which leaves out who is not ready or has no room; among those that are the same to it, the first is taken,
// so that at little load few are awake.
//
//   locality            the least loaded for its size, where one that would have to load the function first
//                       counts as if it had two calls more: an idle one is taken rather than a queue is
//                       made, and a function stays where it is loaded as long as there is room
//   least-loaded        the least loaded for its size, whatever it has loaded
//   round-robin         each in turn
//   most-recently-used  the one that had the last call, so that few are kept busy and others can be stopped
//   consistent-hash     always the same one for a function, as long as it is there and has room; when one
//                       goes, only its functions move
//
// Nothing is ever given to two at once to see who is faster: a call runs once.
//
// Or, where children ask for calls: the one whose turn it has been for longest, whatever it has loaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"

namespace canopy::policy {

enum class Placement : std::uint8_t {
  locality,
  least_loaded,
  round_robin,
  most_recently_used,
  consistent_hash
};

inline constexpr std::array<std::string_view, 5> placement_names = {"locality", "least-loaded", "round-robin",
                                                                    "most-recently-used", "consistent-hash"};

std::string_view to_text(Placement placement);
//   invalid
Result<Placement> parse_placement(std::string_view text);

struct Candidate {
  std::uint32_t running_count = 0;  // From everybody, not from us alone.
  std::uint32_t credit = 0;         // How many more of ours it takes.
  bool ready = false;               // It is there, and is not on its way out.
  bool warm = false;                // It has the function loaded.
  std::int64_t asked_since = 0;     // Where it asks for calls: the lower, the longer it has waited for one.
  std::uint32_t slots = 1;          // How many it takes at all: what its load is measured by.
  std::uint64_t key = 0;            // Who it is: hash_of() its name.
  std::uint64_t used = 0;           // Higher: it got a call from us later. 0: never.
};

// What the rules know of a call.
struct Placing {
  std::uint64_t function = 0;  // hash_of() what its function is.
  std::size_t turn = 0;  // round-robin: the candidate whose turn it is; past the last it is the first's.
};

// Nothing where none takes it now.
std::optional<std::size_t> choose(Placement placement, std::span<const Candidate> candidates,
                                  const Placing& placing);
// The same of those that ask; `credit` is then what they asked for.
std::optional<std::size_t> choose_asking(std::span<const Candidate> candidates);

// The same on every machine and in every version.
std::uint64_t hash_of(std::string_view text);
// How well a child suits a function, for consistent-hash: the highest wins.
std::uint64_t affinity(std::uint64_t function, std::uint64_t child);

}  // namespace canopy::policy
