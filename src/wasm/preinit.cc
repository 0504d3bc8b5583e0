#include "wasm/preinit.h"

#include "wasm/guest_call.h"
#include "wasm/trap.h"

namespace canopy::wasm {
namespace {

constexpr std::uint64_t no_epoch_end = std::uint64_t{1} << 62;  // The parent's deadline ends it, not ticks.

// The one instance whose start-up is run.
class Preparation final : public GuestCall {
 public:
  Preparation(wasm_engine_t& engine, const Host& host, const Function& function)
      : GuestCall(system_clock(), true), log_(function.limits.log_bytes), function_(function) {
    running_.function = &function_;
    running_.log = &log_;
    call_ = &running_;
    state_ = host.make_state(function_, running_);
    store_.reset(wasmtime_store_new(&engine, static_cast<GuestCall*>(this), nullptr));
    context_ = wasmtime_store_context(store_.get());
    wasmtime_store_limiter(store_.get(), static_cast<std::int64_t>(function.limits.memory_bytes),
                           static_cast<std::int64_t>(function.limits.table_elements), 1, -1, 1);
    wasmtime_context_set_epoch_deadline(context_, no_epoch_end);
  }

  Result<void> instantiate(wasmtime_linker_t& linker, wasmtime_module_t& module) {
    wasm_trap_t* trap = nullptr;
    const ErrorHandle error(wasmtime_linker_instantiate(&linker, context_, &module, &instance_, &trap));
    return outcome(TrapHandle(trap), error.get(), "starting");
  }

  Result<void> call_export(const std::string& name) {
    wasmtime_extern_t found;
    if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found)) {
      return canopy::fail(Code::refused, "the export '" + name + "' is gone");
    }
    wasm_trap_t* trap = nullptr;
    const ErrorHandle error(wasmtime_func_call(context_, &found.of.func, nullptr, 0, nullptr, 0, &trap));
    return outcome(TrapHandle(trap), error.get(), name);
  }

  // The answers that the snapshot asks for.
  bool global(std::string_view name, wasmtime_val_t& value) {
    wasmtime_extern_t found;
    if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found)) return false;
    wasmtime_global_get(context_, &found.of.global, &value);
    return true;
  }
  bool memory_of(std::string_view name, const std::uint8_t*& data, std::size_t& size) {
    wasmtime_extern_t found;
    if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found)) return false;
    data = wasmtime_memory_data(context_, &found.of.memory);
    size = wasmtime_memory_data_size(context_, &found.of.memory);
    return true;
  }

  // The start-up asked for what must not be frozen.
  const std::optional<std::string>& unsound() const { return unsound_; }
  const CallLog& log() const { return log_; }

 private:
  Result<void> outcome(const TrapHandle& trap, const wasmtime_error_t* error, const std::string& where) {
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

  CallLog log_;
  Function function_;
  Call running_;
  StoreHandle store_;
  std::optional<std::string> unsound_;
};

std::string_view text(const char* data, std::size_t size) { return {data, size}; }

Result<std::string> snapshot(const WizerHandle& wizer, Preparation& preparation) {
  const canopy_wizer_state_t state = {
      .env = &preparation,
      .global_get =
          [](void* env, const char* name, std::size_t size, wasmtime_val_t* value) {
            return static_cast<Preparation*>(env)->global(text(name, size), *value);
          },
      .memory_get =
          [](void* env, const char* name, std::size_t size, const std::uint8_t** data,
             std::size_t* data_size) {
            return static_cast<Preparation*>(env)->memory_of(text(name, size), *data, *data_size);
          }};
  ByteVec frozen;
  if (const ErrorHandle error{canopy_wizer_snapshot(wizer.get(), &state, frozen.get())}) {
    return canopy::fail(Code::internal, "taking the image: " + message(*error));
  }
  return std::string(frozen.view());
}

}  // namespace

Result<Preinitialised> preinitialise(wasm_engine_t& engine, const Host& host, const Function& function,
                                     std::string_view wasm, const std::vector<std::string>& init_names) {
  ByteVec instrumented;
  wasmtime_error_t* refusal = nullptr;
  const std::string& last = init_names.back();
  const WizerHandle wizer(canopy_wizer_instrument(reinterpret_cast<const std::uint8_t*>(wasm.data()),
                                                  wasm.size(), last.c_str(), false, instrumented.get(),
                                                  &refusal));
  if (!wizer) return Preinitialised{.wasm = {}, .note = message(*ErrorHandle(refusal))};

  wasmtime_module_t* raw = nullptr;
  if (const ErrorHandle error{wasmtime_module_new(&engine, instrumented.data(), instrumented.size(), &raw)}) {
    return fail(Code::refused, message(*error));
  }
  const ModuleHandle module(raw);
  CANOPY_TRY(const LinkerHandle linker, make_linker(engine, host.imports, false));
  Preparation preparation(engine, host, function);
  Result<void> done = preparation.instantiate(*linker, *module);
  for (const std::string& name : init_names) {
    if (done) done = preparation.call_export(name);
  }
  if (preparation.unsound()) return Preinitialised{.wasm = {}, .note = *preparation.unsound()};
  if (!done) return tl::unexpected(std::move(done).error());
  CANOPY_TRY(std::string frozen, snapshot(wizer, preparation));
  return Preinitialised{.wasm = std::move(frozen), .note = {}};
}

}  // namespace canopy::wasm
