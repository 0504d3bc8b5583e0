#pragma once
// The functions that wasm_bulk.h puts at a module's end, as instructions.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace canopy::wire {

// What takes the place of an instruction.
struct BulkHelper {
  enum class Kind : std::uint8_t { fill, copy, init, array_length };
  Kind kind;
  std::uint32_t segment = 0;  // Of init.
  auto operator<=>(const BulkHelper&) const = default;
};

// Its instructions, without the end. Of type (i32 i32 i32) -> (), but array_length, which is (i32) -> i32.
std::string bulk_text(const BulkHelper& helper, std::uint64_t segment_bytes);
// What a trap in it is said to be in.
std::string_view bulk_name(const BulkHelper& helper);

}  // namespace canopy::wire
