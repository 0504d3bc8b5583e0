#include "wasm/guest_call.h"

namespace canopy::wasm {
namespace {

constexpr std::string_view memory_name = "memory";

// The engine wants a trap to unwind the guest; what really happened stands beside it.
wasm_trap_t* unwind() {
  constexpr std::string_view text = "ended by the host";
  return wasmtime_trap_new(text.data(), text.size());
}

}  // namespace

std::span<std::byte> GuestCall::memory() {
  if (!memory_found_) return {};
  auto* const data = reinterpret_cast<std::byte*>(wasmtime_memory_data(context_, &memory_));
  return {data, wasmtime_memory_data_size(context_, &memory_)};
}

void GuestCall::suspend(Time until, HostFunction resume) {
  waiting_ = true;
  wake_time_ = until;
  resume_ = resume;
}

void GuestCall::enter(wasmtime_caller_t* caller) {
  stack_seen_ = __builtin_frame_address(0);
  if (memory_found_) return;
  wasmtime_extern_t found;
  if (!wasmtime_caller_export_get(caller, memory_name.data(), memory_name.size(), &found)) return;
  if (found.kind == WASMTIME_EXTERN_MEMORY) {
    memory_ = found.of.memory;
    memory_found_ = true;
  }
  wasmtime_extern_delete(&found);
}

wasm_trap_t* GuestCall::leave(After after) { return after == After::go_on ? nullptr : unwind(); }

void GuestCall::find_memory() {
  if (memory_found_ || instance_.store_id == 0) return;
  wasmtime_extern_t found;
  if (!wasmtime_instance_export_get(context_, &instance_, memory_name.data(), memory_name.size(), &found))
    return;
  if (found.kind == WASMTIME_EXTERN_MEMORY) {
    memory_ = found.of.memory;
    memory_found_ = true;
  }
  wasmtime_extern_delete(&found);
}

}  // namespace canopy::wasm
