#pragma once
// Spreads what a number says over all of its bits.
//
// Threads: any.

#include <cstdint>

namespace canopy {

// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): each bit of `value` changes about half of the
// result's. No two values have the same result. The same on every machine and in every version.
constexpr std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

}  // namespace canopy
