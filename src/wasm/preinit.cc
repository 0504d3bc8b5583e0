#include "wasm/preinit.h"

#include "wasm/preparation.h"

namespace canopy::wasm {
namespace {

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
  Preparation preparation(engine, host, function, {});
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
