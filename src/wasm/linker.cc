// Offers host functions to guests.
//
// A function that never waits is called straight from compiled code with the raw values; one that may wait
// goes through a future, so that the fiber can be left while it waits.

#include "wasm/engine.h"
#include "wasm/guest_call.h"

namespace canopy::wasm {
namespace {

wasm_valtype_t* make_type(char letter) {
  switch (letter) {
    case 'I':
      return wasm_valtype_new(WASM_I64);
    case 'f':
      return wasm_valtype_new(WASM_F32);
    case 'F':
      return wasm_valtype_new(WASM_F64);
    default:
      return wasm_valtype_new(WASM_I32);
  }
}

FuncTypeHandle make_function_type(const Import& import) {
  const auto make_types = [](std::string_view letters, wasm_valtype_vec_t& types) {
    wasm_valtype_vec_new_uninitialized(&types, letters.size());
    for (std::size_t i = 0; i < letters.size(); ++i) types.data[i] = make_type(letters[i]);
  };
  wasm_valtype_vec_t parameters;
  wasm_valtype_vec_t results;
  make_types(import.parameters, parameters);
  make_types(import.results, results);
  return FuncTypeHandle(wasm_functype_new(&parameters, &results));
}

GuestCall& guest_call_of(wasmtime_caller_t* caller) {
  return *static_cast<GuestCall*>(wasmtime_context_get_data(wasmtime_caller_context(caller)));
}

static_assert(sizeof(Value) == sizeof(wasmtime_val_raw_t));

wasm_trap_t* call_now(void* import, wasmtime_caller_t* caller, wasmtime_val_raw_t* values,
                      std::size_t /*size*/) {
  GuestCall& guest = guest_call_of(caller);
  guest.enter(caller);
  const After after = static_cast<const Import*>(import)->function(guest, reinterpret_cast<Value*>(values));
  return guest.leave(after);
}

// The values travel in tagged form here.
void read_values(const wasmtime_val_t* from, std::size_t count, Value* to) {
  for (std::size_t i = 0; i < count; ++i) {
    switch (from[i].kind) {
      case WASMTIME_I64:
        to[i].i64 = from[i].of.i64;
        break;
      case WASMTIME_F32:
        to[i].f32 = from[i].of.f32;
        break;
      case WASMTIME_F64:
        to[i].f64 = from[i].of.f64;
        break;
      default:
        to[i].i32 = from[i].of.i32;
        break;
    }
  }
}

void write_values(const Value* from, std::string_view letters, wasmtime_val_t* to) {
  for (std::size_t i = 0; i < letters.size(); ++i) {
    switch (letters[i]) {
      case 'I':
        to[i] = {.kind = WASMTIME_I64, .of = {.i64 = from[i].i64}};
        break;
      case 'f':
        to[i] = {.kind = WASMTIME_F32, .of = {.f32 = from[i].f32}};
        break;
      case 'F':
        to[i] = {.kind = WASMTIME_F64, .of = {.f64 = from[i].f64}};
        break;
      default:
        to[i] = {.kind = WASMTIME_I32, .of = {.i32 = from[i].i32}};
        break;
    }
  }
}

// A call that may leave the fiber. Lives from the call until the engine has its results.
struct Pending {
  GuestCall& guest;
  const Import& import;
  wasmtime_val_t* results;
  wasm_trap_t** trap;
  std::array<Value, 16> values{};
  bool done = false;
};

void settle(Pending& pending, After after) {
  *pending.trap = pending.guest.leave(after);
  write_values(pending.values.data(), pending.import.results, pending.results);
  pending.done = true;
}

bool poll_pending(void* data) {
  auto& pending = *static_cast<Pending*>(data);
  if (pending.done) return true;
  if (!pending.guest.woken()) return false;
  const HostFunction resume = pending.guest.take_resume();
  const After after = resume == nullptr ? After::go_on : resume(pending.guest, pending.values.data());
  if (after == After::wait) return false;
  settle(pending, after);
  return true;
}

void call_later(void* import_data, wasmtime_caller_t* caller, const wasmtime_val_t* arguments,
                std::size_t count, wasmtime_val_t* results, std::size_t /*result_count*/, wasm_trap_t** trap,
                wasmtime_async_continuation_t* continuation) {
  const auto& import = *static_cast<const Import*>(import_data);
  GuestCall& guest = guest_call_of(caller);
  auto pending = std::make_unique<Pending>(Pending{guest, import, results, trap});
  read_values(arguments, std::min(count, pending->values.size()), pending->values.data());
  guest.enter(caller);
  const After after = import.function(guest, pending->values.data());
  if (after != After::wait) settle(*pending, after);
  continuation->callback = poll_pending;
  continuation->env = pending.release();
  continuation->finalizer = [](void* data) { delete static_cast<Pending*>(data); };
}

}  // namespace

Result<LinkerHandle> make_linker(wasm_engine_t& engine, const std::vector<Import>& imports,
                                 bool may_suspend) {
  LinkerHandle linker(wasmtime_linker_new(&engine));
  for (const Import& import : imports) {
    const FuncTypeHandle type = make_function_type(import);
    void* const data = const_cast<Import*>(&import);  // The C interface knows no const.
    const ErrorHandle error(
        import.may_wait && may_suspend
            ? wasmtime_linker_define_async_func(linker.get(), import.module.data(), import.module.size(),
                                                import.name.data(), import.name.size(), type.get(),
                                                call_later, data, nullptr)
            : wasmtime_linker_define_func_unchecked(linker.get(), import.module.data(), import.module.size(),
                                                    import.name.data(), import.name.size(), type.get(),
                                                    call_now, data, nullptr));
    if (error) return fail(Code::internal, "offering " + std::string(import.name) + ": " + message(*error));
  }
  return linker;
}

}  // namespace canopy::wasm
