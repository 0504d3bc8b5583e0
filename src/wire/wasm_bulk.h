#pragma once
// Lets no single instruction of a module run for long. The engine looks at the clock where a function begins
// and where a loop turns, but does a memory.fill of 1 GiB in one piece: for seconds nobody else would run on
// that core, and no deadline would end it. So an instruction whose length is large, or not known before it
// runs, becomes a call of a small function, put at the module's end, that does the same in pieces:
//
//   memory.fill, memory.copy     in pieces of 64 KiB, in the order that overlapping ranges need
//   memory.init                  the same, where the segment is larger than a piece
//   array.new, .fill, .copy ...  of the garbage collector: traps beyond a million elements, for the
//   allocation
//                                itself cannot be parted
//
// A range that is out of bounds traps before anything is written, as it must. Instructions of a small
// constant length, and modules that have none of these, stay as they are; no index changes, and mostly no
// offset. Those on tables stay too: a table has few elements (Limits::table_elements).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

inline constexpr std::uint32_t bulk_piece_bytes = 64 * 1024;
inline constexpr std::uint32_t array_elements_max = 1 << 20;  // In one instruction.

// The module that does so; nothing where `wasm` does already. `wasm` has at most one memory, of 32 bits.
//   refused  malformed, or it holds an instruction that is not known; at which byte
Result<std::optional<std::string>> part_bulk_operations(std::string_view wasm);

}  // namespace canopy::wire
