#include "wire/wasm_check.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

constexpr std::array<OfferedImport, 2> offered = {
    {{"wasi_snapshot_preview1", "fd_write"}, {"canopy", "log"}}};

WasmModule command() {
  WasmModule module;
  module.exports.push_back({.name = "_start"});
  module.memories.push_back({.pages = 2});
  return module;
}

std::string refusal(const WasmModule& module, const Limits& limits = {}) {
  const auto result = check_deployable(module, offered, limits);
  if (result) return "";
  EXPECT_EQ(result.error().code, Code::refused);
  return result.error().message;
}

void expect_refusal(const WasmModule& module, std::string_view part) {
  EXPECT_NE(refusal(module).find(part), std::string::npos)
      << "'" << refusal(module) << "' lacks '" << part << "'";
}

TEST(CheckDeployable, LetsAGoodModulePass) {
  WasmModule module = command();
  module.imports.push_back({.module = "wasi_snapshot_preview1", .name = "fd_write"});
  module.imports.push_back({.module = "canopy", .name = "log"});
  EXPECT_EQ(refusal(module), "");
}

TEST(CheckDeployable, ListsEveryMissingImportOnce) {
  WasmModule module = command();
  module.imports = {{"env", "one"}, {"canopy", "log"}, {"env", "two"}, {"env", "one"}};
  module.imports.push_back({.module = "env", .name = "memory", .kind = ExternKind::memory});
  EXPECT_EQ(refusal(module),
            "the module imports 3 things that Canopy does not offer: env.one, env.two, memory env.memory");
  module.imports = {{"env", "one\n"}};
  EXPECT_EQ(refusal(module), "the module imports what Canopy does not offer: env.one\\x0a");
}

TEST(CheckDeployable, BoundsTheList) {
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) names.push_back("f" + std::to_string(i));
  WasmModule module = command();
  for (const std::string& name : names) module.imports.push_back({.module = "env", .name = name});
  const std::string message = refusal(module);
  EXPECT_NE(message.find("imports 60 things"), std::string::npos);
  EXPECT_NE(message.find("env.f49 and 10 more"), std::string::npos);
  EXPECT_EQ(message.find("env.f50"), std::string::npos);
}

TEST(CheckDeployable, StopsCountingSomewhere) {
  std::vector<std::string> names;
  for (int i = 0; i < 10'001; ++i) names.push_back("f" + std::to_string(i));
  WasmModule module = command();
  for (const std::string& name : names) module.imports.push_back({.module = "env", .name = name});
  expect_refusal(module, "imports more than 10000 things that Canopy does not offer: env.f0, ");
}

TEST(CheckDeployable, BoundsEachName) {
  const std::string long_name(100'000, 'x');
  WasmModule module = command();
  module.imports.push_back({.module = long_name, .name = long_name});
  EXPECT_LT(refusal(module).size(), 1000U);
}

TEST(CheckDeployable, RefusesAnImportOfTheRightNameAndTheWrongKind) {
  WasmModule module = command();
  module.imports.push_back({.module = "canopy", .name = "log", .kind = ExternKind::global});
  expect_refusal(module, "global canopy.log");
}

TEST(CheckDeployable, GuessesHowTheModuleWasBuilt) {
  struct Case {
    WasmImport import;
    std::string_view words;
  };
  const std::array<Case, 6> cases = {{{{"wasi:http/types@0.2.0", "x"}, "build for wasm32-wasip1"},
                                      {{"wasi_unstable", "fd_write"}, "newer SDK"},
                                      {{"__wbindgen_placeholder__", "x"}, "wasm-bindgen"},
                                      {{"gojs", "runtime.wasmExit"}, "GOOS=wasip1"},
                                      {{"env", "emscripten_memcpy_js"}, "-sSTANDALONE_WASM"},
                                      {{"wasi", "thread-spawn"}, "without -pthread"}}};
  for (const Case& c : cases) {
    WasmModule module = command();
    module.imports.push_back(c.import);
    expect_refusal(module, c.words);
  }
  WasmModule module = command();
  module.imports.push_back({.module = "alpha", .name = "x"});  // Not Emscripten's "a".
  EXPECT_EQ(refusal(module).find("Emscripten"), std::string::npos);
}

TEST(CheckDeployable, SaysWhichEntryPointsItLookedFor) {
  WasmModule module;
  expect_refusal(module, "exports the function _start");
  expect_refusal(module, "canopy_handle or handle; it exports no function");
  module.exports = {{.name = "memory", .kind = ExternKind::memory}, {.name = "run"}, {.name = "stop"}};
  expect_refusal(module, "it exports run, stop");
  module.exports.assign(30, {.name = "f"});
  expect_refusal(module, "f and 10 more");
}

TEST(CheckDeployable, RefusesMoreMemoryThanTheFunctionMayHave) {
  WasmModule module = command();
  module.memories[0].pages = 3 * GiB / (64 * KiB);
  expect_refusal(module, "starts with 3GiB of memory and the function's limit is 64MiB");
  expect_refusal(module, "--memory=3GiB");
  EXPECT_EQ(refusal(module, Limits{.memory_bytes = 3 * GiB}), "");
}

TEST(CheckDeployable, RefusesMemoriesOfKindsItDoesNotRun) {
  WasmModule module = command();
  module.memories[0].shared = true;
  module.imports = {{"wasi", "thread-spawn"}};
  expect_refusal(module, "shared between threads");
  module = command();
  module.memories[0].is_64 = true;
  expect_refusal(module, "64-bit");
  module = command();
  module.memories[0].page_bytes = 1;
  expect_refusal(module, "pages of 1B");
  module = command();
  module.memories.push_back({});
  expect_refusal(module, "has 2 memories");
}

TEST(CheckDeployable, RefusesLargeTables) {
  Limits limits;
  limits.table_elements = 10;
  WasmModule module = command();
  module.tables.push_back({.elements = 11});
  EXPECT_EQ(refusal(module, limits), "the module starts with a table of 11 elements; a function may have 10");
  module.tables[0].elements = 10;
  EXPECT_EQ(refusal(module, limits), "");
}

TEST(CheckDeployable, RefusesSecondTables) {
  WasmModule module = command();
  module.tables = {{.elements = 1}, {.elements = 1}};
  EXPECT_EQ(refusal(module, Limits{}), "the module has 2 tables; Canopy runs modules with one");
}

TEST(CheckDeployable, KnowsObjectFilesAndSharedLibraries) {
  WasmModule module = command();
  module.custom_sections = {"linking"};
  expect_refusal(module, "not linked yet");
  module.custom_sections = {"dylink.0"};
  expect_refusal(module, "a shared library");
}

}  // namespace
}  // namespace canopy::wire
