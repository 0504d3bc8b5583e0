#pragma once
// A checksum against accidents: bits that flipped on a disk, a file that was cut or filled with zeroes. Not
// against people: what they may have touched is named by SHA-256 (base/sha256.h). In return it costs a tenth,
// so that even a call can wait for it.
//
// A change within one aligned word of eight bytes is always found; any other is missed once in 2^64.
//
// Threads: each object one at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canopy {

// The checksum of what comes in pieces, however it is cut.
class Checksum {
 public:
  void update(std::string_view bytes);
  std::uint64_t value() const;  // Of all pieces so far.

 private:
  static constexpr std::size_t lane_count = 4;
  static constexpr std::size_t block_bytes = lane_count * 8;

  void take_blocks(const char* block, std::size_t count);

  std::array<std::uint64_t, lane_count> lanes_ = {0x9ae16a3b2f90404f, 0xc3a5c85c97cb3127, 0xb492b66fbe98f273,
                                                  0x5851f42d4c957f2d};
  std::array<char, block_bytes> open_{};  // What is no whole block yet.
  std::size_t open_bytes_ = 0;
  std::uint64_t size_bytes_ = 0;
};

std::uint64_t checksum(std::string_view bytes);

}  // namespace canopy
