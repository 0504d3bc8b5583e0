#include "wasm/preparation.h"

#include "wasm/trap.h"

namespace canopy::wasm {
namespace {

constexpr std::uint64_t no_epoch_end = std::uint64_t{1} << 62;  // The parent's deadline ends it, not ticks.
constexpr std::int64_t instances_max = 2;                       // An interpreter and its memory.

}  // namespace

Preparation::Preparation(wasm_engine_t& engine, const Host& host, const Function& function,
                         std::string_view input)
    : GuestCall(system_clock(), true), log_(function.limits.log_bytes), function_(function) {
  running_.function = &function_;
  running_.log = &log_;
  running_.input = input;
  call_ = &running_;
  state_ = host.make_state(function_, running_);
  store_.reset(wasmtime_store_new(&engine, static_cast<GuestCall*>(this), nullptr));
  context_ = wasmtime_store_context(store_.get());
  wasmtime_store_limiter(store_.get(), static_cast<std::int64_t>(function.limits.memory_bytes),
                         static_cast<std::int64_t>(function.limits.table_elements), instances_max, -1, 1);
  wasmtime_context_set_epoch_deadline(context_, no_epoch_end);
}

Result<void> Preparation::instantiate(wasmtime_linker_t& linker, wasmtime_module_t& module) {
  wasm_trap_t* trap = nullptr;
  const ErrorHandle error(wasmtime_linker_instantiate(&linker, context_, &module, &instance_, &trap));
  return outcome(TrapHandle(trap), error.get(), "starting");
}

Result<void> Preparation::offer(wasmtime_linker_t& linker, std::string_view module, const std::string& name) {
  wasmtime_extern_t found;
  if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found)) {
    return canopy::fail(Code::internal, "the image exports no '" + name + "'");
  }
  const ErrorHandle error(wasmtime_linker_define(&linker, context_, module.data(), module.size(), name.data(),
                                                 name.size(), &found));
  wasmtime_extern_delete(&found);
  if (error) return canopy::fail(Code::internal, message(*error));
  return {};
}

Result<void> Preparation::call_export(const std::string& name) {
  wasmtime_extern_t found;
  if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found)) {
    return canopy::fail(Code::refused, "the export '" + name + "' is gone");
  }
  wasm_trap_t* trap = nullptr;
  const ErrorHandle error(wasmtime_func_call(context_, &found.of.func, nullptr, 0, nullptr, 0, &trap));
  return outcome(TrapHandle(trap), error.get(), name);
}

bool Preparation::global(std::string_view name, wasmtime_val_t& value) {
  wasmtime_extern_t found;
  if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found)) return false;
  wasmtime_global_get(context_, &found.of.global, &value);
  return true;
}

bool Preparation::memory_of(std::string_view name, const std::uint8_t*& data, std::size_t& size) {
  wasmtime_extern_t found;
  if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found)) return false;
  data = wasmtime_memory_data(context_, &found.of.memory);
  size = wasmtime_memory_data_size(context_, &found.of.memory);
  return true;
}

Result<void> Preparation::outcome(const TrapHandle& trap, const wasmtime_error_t* error,
                                  const std::string& where) {
  if (!trap && error == nullptr) return {};
  std::string words = "the start-up of the module failed in '" + where + "': ";
  if (error_) {
    if (error_->code == Code::refused) unsound_ = error_->message;
    words += error_->message;
  } else if (exit_code_) {
    words += "it ended the program with code " + std::to_string(*exit_code_);
  } else {
    words += trap ? describe(*trap) : message(*error);
  }
  if (!log_.text().empty()) words += "\n" + log_.text();
  return canopy::fail(Code::refused, words);
}

}  // namespace canopy::wasm
