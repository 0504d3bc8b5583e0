#pragma once
// Which worker a call goes to: the one that has least to do, where one that would have to load the function
// first counts as if it had two calls more. So an idle worker is taken rather than a queue is made, and a
// function stays where it is loaded as long as there is room.
//
// Where several are the same to it the first is taken, so that at little load few are awake.
//
// Or, where workers ask for calls: the one whose turn it has been for longest, whatever it has loaded.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace canopy::policy {

struct Candidate {
  std::uint32_t running_count = 0;  // From everybody, not from us alone.
  std::uint32_t credit = 0;         // How many more of ours it takes.
  bool ready = false;               // It is there, and is not on its way out.
  bool warm = false;                // It has the function loaded.
  std::int64_t asked_since = 0;     // Where it asks for calls: the lower, the longer it has waited for one.
};

// Nothing where none takes it now.
std::optional<std::size_t> choose_worker(std::span<const Candidate> candidates);
// The same of those that ask; `credit` is then what they asked for.
std::optional<std::size_t> choose_asking(std::span<const Candidate> candidates);

}  // namespace canopy::policy
