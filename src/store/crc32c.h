#pragma once
// CRC-32C (Castagnoli), by which the rows of the call log are sealed: no single flipped bit goes unnoticed.
//
// Threads: any.

#include <cstdint>
#include <string_view>

namespace canopy::store {

// Of `bytes`, going on from the value of what came before them.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace canopy::store
