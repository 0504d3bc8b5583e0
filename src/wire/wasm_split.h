#pragma once
// Parts the code of a WebAssembly module from its memory, so that one piece of compiled code serves many
// memories: that of an interpreter all the functions written in its language.
//
//   module ─ split ─▶ code, which imports "canopy"."memory"   and   image: a module that is only that memory
//   memory of a running instance ─ write_image ─▶ another image for the same code
//
// What an instance keeps outside of its memory (globals, tables) is not in an image: it has to be as it was
// at the start when the image is taken.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

inline constexpr std::string_view split_memory_module = "canopy";
inline constexpr std::string_view split_memory_name = "memory";  // Also what an image exports it as.

struct SplitModule {
  std::string code;
  std::string image;
};

// Splits `wasm`, which has one memory, its own, data that is put at constants and no start function.
//   refused  malformed; or it has not, and which
Result<SplitModule> split_memory(std::string_view wasm);

// An image that holds `memory`, whose size is a whole number of pages. Zeros take no room in it.
std::string write_image(std::span<const std::byte> memory);

}  // namespace canopy::wire
