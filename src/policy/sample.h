#pragma once
// Which few of many children are looked at for a call, so that a decision takes as long among a thousand as
// among ten: two that chance chooses are enough to keep all about equally loaded, and those that are near the
// function on a ring of keys are where it was sent before by whoever knew as little.
//
// Of few children, all are looked at. Who finds no room among those that it looked at looks at all.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "policy/place.h"

namespace canopy::policy {

inline constexpr std::size_t sample_size_max = 8;

// Children in the order of their keys, the last followed by the first.
struct Crowd {
  std::size_t count = 0;
  std::size_t nearest = 0;   // The first with a key at or after that of the function.
  std::size_t turn = 0;      // Whose turn it is, for round-robin.
  std::uint64_t random = 0;  // Another one each time.
};

struct Sample {
  std::array<std::uint32_t, sample_size_max> at{};  // Positions; the one that is to win a draw first.
  std::size_t count = 0;
  std::span<const std::uint32_t> positions() const { return std::span(at).first(count); }
};

Sample choose_sample(Placement placement, const Crowd& crowd);

}  // namespace canopy::policy
