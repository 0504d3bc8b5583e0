#pragma once
// Runs a module's start-up ahead of time and freezes the memory and globals it leaves into a new module.
//
// Only where that is sound: a start-up that asks for the time, for randomness or for the environment would
// freeze one answer for all calls to come, so it runs in each call instead.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/function.h"
#include "wasm/engine.h"

namespace canopy::wasm {

struct Preinitialised {
  std::string wasm;  // Empty where the start-up has to run in each call.
  std::string note;  // Then: why.
};

// Calls `init_names` in order, in one instance of `wasm` with the limits of `function`.
//   refused  the start-up trapped or ended the program; the message says where
Result<Preinitialised> preinitialise(wasm_engine_t& engine, const Host& host, const Function& function,
                                     std::string_view wasm, const std::vector<std::string>& init_names);

}  // namespace canopy::wasm
