#pragma once
// Why a guest stopped, in words: what happened, and where by function name and offset.

#include <cstdint>
#include <string>

#include "base/error.h"
#include "wasm/handle.h"

namespace canopy::wasm {

// "out of bounds memory access in parse (+0x1a2), called by canopy_handle (+0x20)"; at most 8 frames.
std::string describe(const wasm_trap_t& trap);

// The error of a trap: died. Where the memory was nearly all used, says so, because guests trap when an
// allocation fails.
Error trap_error(const wasm_trap_t& trap, std::uint64_t memory_bytes, std::uint64_t memory_limit_bytes);

// The error of what is no trap: an instance that could not be made, an exception that left the guest.
Error engine_error(const wasmtime_error_t& error);

}  // namespace canopy::wasm
