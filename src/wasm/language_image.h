#pragma once
// Lets a language's interpreter read the source of a function, and takes the memory that leaves as its image.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/function.h"
#include "wasm/engine.h"

namespace canopy::wasm {

struct LanguageSource {
  std::string_view source;
  std::filesystem::path interpreter;  // Compiled, as the engine loads it.
  std::string_view first_image;       // The memory that the interpreter starts with, as a module.
  std::vector<std::string> prepare_names;
};

struct LanguageImage {
  std::string wasm;
  std::string note;  // Where not the best of the prepare names was good for it: why.
};

//   refused  the source is none, or its start-up failed: in the interpreter's own words
//   limit    it needed more memory than a call of the function may have
Result<LanguageImage> prepare_image(wasm_engine_t& engine, const Host& host, const Function& function,
                                    const LanguageSource& from);

}  // namespace canopy::wasm
