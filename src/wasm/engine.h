#pragma once
// Engines: the compiler and the pools of one core, or the compiler alone.
//
// Every engine that makes or runs code shares the settings that code depends on, so what the compile child
// wrote to disk loads in each of them. Memories are reserved at 4 GiB with a guard behind them, so that
// compiled code needs no bounds checks.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/units.h"
#include "wasm/handle.h"
#include "wasm/host.h"

namespace canopy::wasm {

struct PoolOptions {
  std::uint32_t instances_max = 1024;          // Alive at once in one engine.
  std::uint64_t table_elements_max = 100'000;  // In one table.
  // What a slot keeps resident between calls. Only dirty pages are reset where the kernel can name them
  // (pagemap_scan); where it cannot, each reset is a memset of this size, so it is kept small.
  std::uint64_t keep_resident_bytes = 1 * MiB;
  std::uint64_t keep_resident_bytes_without_scan = 16 * KiB;
};

inline constexpr std::size_t wasm_stack_bytes = 512 * KiB;  // Then the guest has overflowed it.
inline constexpr std::size_t fiber_stack_bytes = 1 * MiB;   // The same, and what host functions need.

// How many mappings a process needs for so many instances at once: each takes two of a fiber's stack and up
// to four of a memory with an image in it; the rest is the program's, its threads' and its loaded modules'.
// Where the kernel grants fewer (vm.max_map_count), all allocation in the process fails when they are used
// up.
constexpr std::uint64_t maps_needed(std::uint64_t instances) { return instances * 6 + 2'500; }

// Compiles and loads, without a pool: for the compile child and for single runs.
Result<EngineHandle> make_compiler();
// Loads and runs from a pool of ready slots. Reserves address space: 4 GiB for each instance.
//   unavailable  there is not so much address space
Result<EngineHandle> make_pooled_engine(const PoolOptions& options);

// Names this engine and the settings its code depends on: part of the path of compiled code.
std::string engine_version();

// A linker that offers `imports`, each of which must outlive it. A guest reaches them through its Caller,
// which is the store's data. `may_suspend` is false where there is no fiber to leave (initialisation).
Result<LinkerHandle> make_linker(wasm_engine_t& engine, const std::vector<Import>& imports, bool may_suspend);

}  // namespace canopy::wasm
