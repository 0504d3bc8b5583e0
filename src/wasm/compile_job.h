#pragma once
// What the parent tells the compile child, and the plan the child leaves: lines of "key value" in which
// '%', control characters and blanks of a value are written as %XX. Between two copies of one program, so
// without versions; but compiled code outlives the program, so the plan's keys only ever grow.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/function.h"
#include "wasm/template.h"

namespace canopy::wasm {

enum class JobKind {
  module,       // Of a function.
  interpreter,  // The code of a language's.
  image,        // A function in a language: `code` is its source.
};

struct CompileJob {
  JobKind kind = JobKind::module;
  std::filesystem::path code;
  std::filesystem::path compiled;
  std::filesystem::path code_folder;
  std::uint64_t memory_bytes = 0;
  Duration timeout{};
  std::uint64_t function_memory_bytes = 0;
  std::vector<FunctionFile> files;
  std::vector<std::string> entry_names;  // Of an image: what prepares it, best first, and the handler.
  // Of an image: the compiled interpreter, and the memory it starts with.
  std::filesystem::path interpreter = {};
  std::filesystem::path first_image = {};
};

std::string write_job(const CompileJob& job);
Result<CompileJob> read_job(std::string_view text);

std::string write_plan(const ModulePlan& plan);
Result<ModulePlan> parse_plan(std::string_view text);

}  // namespace canopy::wasm
