#pragma once
// A piece of stored code, as one who joined wants it.
//
// Threads: any; blocks on the disk.

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.h"

namespace canopy::balance {

// From `offset` on, at most wire::code_piece_bytes_max, at least one byte.
//   not_found  there is no more of it
Result<std::string> read_code_piece(const std::filesystem::path& path, std::uint64_t offset);

}  // namespace canopy::balance
