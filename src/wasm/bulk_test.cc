// What wire/wasm_bulk.h makes of a module does what the module did, to the last byte and trap.
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "wasm/engine.h"
#include "wire/wasm_bulk.h"

namespace canopy::wasm {
namespace {

constexpr std::uint32_t memory_bytes = 6 * 65'536;
constexpr std::uint32_t segment_bytes = 150'000;

std::string source() {
  std::string segment;
  for (std::uint32_t i = 0; i < segment_bytes; ++i) segment += static_cast<char>('a' + i % 23);
  return R"((module (memory (export "memory") 6) (data $d ")" + segment + R"(")
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
    (func (export "init") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
    (func (export "drop") (param i32 i32 i32) (data.drop $d))))";
}

class Guest {
 public:
  explicit Guest(std::string_view wasm) {
    auto engine = make_compiler();
    EXPECT_TRUE(engine);
    engine_ = *std::move(engine);
    wasmtime_module_t* module = nullptr;
    const ErrorHandle error{wasmtime_module_new(
        engine_.get(), reinterpret_cast<const std::uint8_t*>(wasm.data()), wasm.size(), &module)};
    EXPECT_FALSE(error) << message(*error);
    module_.reset(module);
    store_.reset(wasmtime_store_new(engine_.get(), nullptr, nullptr));
    context_ = wasmtime_store_context(store_.get());
    wasmtime_context_set_epoch_deadline(context_, 1'000'000);
    wasm_trap_t* trap = nullptr;
    const ErrorHandle failure{wasmtime_instance_new(context_, module_.get(), nullptr, 0, &instance_, &trap)};
    EXPECT_FALSE(failure);
    for (std::uint32_t i = 0; i < memory_bytes; ++i) memory()[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  }

  std::uint8_t* memory() {
    wasmtime_extern_t found;
    EXPECT_TRUE(wasmtime_instance_export_get(context_, &instance_, "memory", 6, &found));
    return wasmtime_memory_data(context_, &found.of.memory);
  }

  // Which trap it ended with, if any.
  std::optional<int> call(const std::string& name, const std::array<std::uint32_t, 3>& values) {
    wasmtime_extern_t found;
    EXPECT_TRUE(wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found));
    std::array<wasmtime_val_t, 3> arguments{};
    for (std::size_t i = 0; i < 3; ++i) {
      arguments.at(i) = {.kind = WASMTIME_I32, .of = {.i32 = static_cast<std::int32_t>(values.at(i))}};
    }
    wasm_trap_t* raw = nullptr;
    const ErrorHandle error{
        wasmtime_func_call(context_, &found.of.func, arguments.data(), arguments.size(), nullptr, 0, &raw)};
    EXPECT_FALSE(error);
    const TrapHandle trap(raw);
    wasmtime_trap_code_t code = 0;
    if (!trap || !wasmtime_trap_code(trap.get(), &code)) return std::nullopt;
    return code;
  }

 private:
  EngineHandle engine_;
  ModuleHandle module_;
  StoreHandle store_;
  wasmtime_context_t* context_ = nullptr;
  wasmtime_instance_t instance_{};
};

TEST(WasmBulk, DoesInPiecesWhatTheInstructionsDoAtOnce) {
  ByteVec whole;
  const std::string text = source();
  const ErrorHandle error(wasmtime_wat2wasm(text.data(), text.size(), whole.get()));
  ASSERT_FALSE(error) << message(*error);
  const auto parted = wire::part_bulk_operations(whole.view());
  ASSERT_TRUE(parted && *parted);
  Guest one(whole.view());
  Guest other(**parted);
  const std::vector<std::uint32_t> places = {0,       1,       65'535,  65'536,  70'000,
                                             131'073, 200'000, 393'215, 393'216, ~0U};
  const std::vector<std::uint32_t> lengths = {0,       1,       65'535,  65'536,  65'537,  131'072,
                                              140'001, 150'000, 193'216, 393'216, 393'217, ~0U};
  for (const std::string name : {"fill", "copy", "init"}) {
    for (const std::uint32_t to : places) {
      for (const std::uint32_t from : places) {
        for (const std::uint32_t length : lengths) {
          EXPECT_EQ(one.call(name, {to, from, length}), other.call(name, {to, from, length}))
              << name << ' ' << to << ' ' << from << ' ' << length;
          ASSERT_EQ(std::memcmp(one.memory(), other.memory(), memory_bytes), 0)
              << name << ' ' << to << ' ' << from << ' ' << length;
        }
      }
    }
  }
  one.call("drop", {});
  other.call("drop", {});
  EXPECT_EQ(one.call("init", {0, 0, 100'000}), other.call("init", {0, 0, 100'000}));
  EXPECT_EQ(other.call("init", {0, 0, 100'000}), WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS);
}

}  // namespace
}  // namespace canopy::wasm
