#pragma once
// The one instance in which start-up code runs ahead of time, for the image of what it leaves.
//
// Threads: one; without a fiber, so nothing in it can wait. What ends it early is the caller's, by a time
//          limit on the process.

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/function.h"
#include "wasm/engine.h"
#include "wasm/guest_call.h"

namespace canopy::wasm {

class Preparation final : public GuestCall {
 public:
  // `input` is what a language's interpreter reads as its source.
  Preparation(wasm_engine_t& engine, const Host& host, const Function& function, std::string_view input);

  // Instances of several modules may be made; the last is the one that is called and read.
  //   refused  it trapped; the message says where
  Result<void> instantiate(wasmtime_linker_t& linker, wasmtime_module_t& module);
  // Offers an export of the last instance to those that follow.
  Result<void> offer(wasmtime_linker_t& linker, std::string_view module, const std::string& name);
  //   refused  it trapped or ended the program; the message says where
  Result<void> call_export(const std::string& name);

  // The answers that the snapshot asks for.
  bool global(std::string_view name, wasmtime_val_t& value);
  bool memory_of(std::string_view name, const std::uint8_t*& data, std::size_t& size);

  // Why it cannot be frozen: the start-up asked for what differs from call to call.
  const std::optional<std::string>& unsound() const { return unsound_; }
  // What a host function ended it with, for those that need it as it was said.
  const std::optional<Error>& said() const { return error_; }

 private:
  Result<void> outcome(const TrapHandle& trap, const wasmtime_error_t* error, const std::string& where);

  CallLog log_;
  Function function_;
  Call running_;
  StoreHandle store_;
  std::optional<std::string> unsound_;
};

}  // namespace canopy::wasm
