#pragma once
// Walks the instructions of WebAssembly code: what each is, and where it ends. It knows the instructions of
// version 3 of the language, of threads and of relaxed SIMD; whether they make sense together is the engine's
// to say.

#include <cstddef>
#include <cstdint>

#include "wire/wasm_reader.h"

namespace canopy::wire {

struct WasmInstruction {
  std::uint8_t opcode = 0;
  std::uint32_t sub_opcode = 0;  // Of the opcodes that are only a prefix.
  std::uint32_t first = 0;       // Its first index, where it has some: of a segment, of a memory.
  std::uint32_t second = 0;
  std::int64_t constant = 0;  // Of i32.const and i64.const.
  std::size_t begin = 0;      // In the file.
  std::size_t end = 0;
};

namespace opcode {
inline constexpr std::uint8_t end = 0x0B;
inline constexpr std::uint8_t call = 0x10;
inline constexpr std::uint8_t i32_const = 0x41;
inline constexpr std::uint8_t gc_prefix = 0xFB;
inline constexpr std::uint8_t misc_prefix = 0xFC;
inline constexpr std::uint8_t simd_prefix = 0xFD;
inline constexpr std::uint8_t atomic_prefix = 0xFE;
}  // namespace opcode

// Reads one. Makes the reader bad where there is none that is known.
WasmInstruction read_instruction(WasmReader& reader);

}  // namespace canopy::wire
