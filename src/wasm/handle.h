#pragma once
// Owners for what the engine's C interface gives out: each is freed exactly once.

#include <memory>
#include <string>

#include <canopy_engine.h>
#include <wasmtime.h>

namespace canopy::wasm {

template <auto free_function>
struct Free {
  template <class T>
  void operator()(T* handle) const {
    free_function(handle);
  }
};

using ConfigHandle = std::unique_ptr<wasm_config_t, Free<wasm_config_delete>>;
using PoolHandle =
    std::unique_ptr<wasmtime_pooling_allocation_config_t, Free<wasmtime_pooling_allocation_config_delete>>;
using EngineHandle = std::unique_ptr<wasm_engine_t, Free<wasm_engine_delete>>;
using LinkerHandle = std::unique_ptr<wasmtime_linker_t, Free<wasmtime_linker_delete>>;
using ModuleHandle = std::unique_ptr<wasmtime_module_t, Free<wasmtime_module_delete>>;
using InstancePreHandle = std::unique_ptr<wasmtime_instance_pre_t, Free<wasmtime_instance_pre_delete>>;
using EntryHandle = std::unique_ptr<canopy_entry_t, Free<canopy_entry_delete>>;
using StoreHandle = std::unique_ptr<wasmtime_store_t, Free<wasmtime_store_delete>>;
using FutureHandle = std::unique_ptr<wasmtime_call_future_t, Free<wasmtime_call_future_delete>>;
using ErrorHandle = std::unique_ptr<wasmtime_error_t, Free<wasmtime_error_delete>>;
using TrapHandle = std::unique_ptr<wasm_trap_t, Free<wasm_trap_delete>>;
using FuncTypeHandle = std::unique_ptr<wasm_functype_t, Free<wasm_functype_delete>>;
using WizerHandle = std::unique_ptr<canopy_wizer_t, Free<canopy_wizer_delete>>;

// A vector of bytes that the engine allocated.
class ByteVec {
 public:
  ByteVec() { wasm_byte_vec_new_empty(&bytes_); }
  ~ByteVec() { wasm_byte_vec_delete(&bytes_); }
  ByteVec(const ByteVec&) = delete;
  ByteVec& operator=(const ByteVec&) = delete;

  wasm_byte_vec_t* get() { return &bytes_; }
  std::string_view view() const { return {bytes_.data, bytes_.size}; }
  const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(bytes_.data); }
  std::size_t size() const { return bytes_.size; }

 private:
  wasm_byte_vec_t bytes_{};
};

inline std::string message(const wasmtime_error_t& error) {
  ByteVec text;
  wasmtime_error_message(&error, text.get());
  return std::string(text.view());
}

inline std::string message(const wasm_trap_t& trap) {
  ByteVec text;
  wasm_trap_message(&trap, text.get());
  std::string result(text.view());
  while (!result.empty() && result.back() == '\0') result.pop_back();
  return result;
}

}  // namespace canopy::wasm
