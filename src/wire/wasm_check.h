#pragma once
// Whether a module could run here, decided before it is compiled and said in words that a person can act on.

#include <cstddef>
#include <span>
#include <string_view>

#include "base/error.h"
#include "model/function.h"
#include "wire/wasm_inspect.h"

namespace canopy::wire {

// A function that the host offers to modules.
struct OfferedImport {
  std::string_view module;
  std::string_view name;
};

inline constexpr std::size_t missing_imports_named_max = 50;

// Whether `module` can be deployed as a function with `limits`. All that is wrong about its imports is said
// at once; the other complaints come one at a time, the one to solve first being first.
//   refused  an object file or a shared library; an import that is not offered; no entry point; more memory
//            or larger tables at the start than `limits` allow; shared, 64-bit or several memories
Result<void> check_deployable(const WasmModule& module, std::span<const OfferedImport> offered,
                              const Limits& limits);

}  // namespace canopy::wire
