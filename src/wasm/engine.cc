#include "wasm/engine.h"

#include <cerrno>
#include <system_error>

#include <sys/mman.h>

namespace canopy::wasm {
namespace {

// Part of the compiled code's path: raise it when a setting below, or what is done to a module before it is
// compiled, changes what the compiler emits.
constexpr std::string_view settings_version = "2";

constexpr std::uint64_t reservation_bytes = 4 * GiB;
constexpr std::uint64_t guard_bytes = 32 * MiB;

// The engine ends the process where it cannot reserve a pool, so whether it can is tried before. Its other
// pools are smaller by orders of magnitude.
Result<void> try_reservation(std::uint64_t memory_count, std::uint32_t instances) {
  const std::uint64_t bytes = memory_count * (reservation_bytes + guard_bytes) + 2 * guard_bytes;
  void* const place = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr): the macro is a cast.
    const int error = errno;
    return fail(Code::unavailable,
                "reserving " + std::to_string(bytes / GiB) + " GiB of address space for " +
                    std::to_string(instances) +
                    " instances on one core: " + std::generic_category().message(error) +
                    "; lower 'instances', or raise the limit of address space (ulimit -v)");
  }
  munmap(place, bytes);
  return {};
}

ConfigHandle make_config() {
  ConfigHandle config(wasm_config_new());
  wasmtime_config_strategy_set(config.get(), WASMTIME_STRATEGY_CRANELIFT);  // Never Winch: untrusted code.
  wasmtime_config_epoch_interruption_set(config.get(), true);
  wasmtime_config_max_wasm_stack_set(config.get(), wasm_stack_bytes);
  wasmtime_config_async_stack_size_set(config.get(), fiber_stack_bytes);
  wasmtime_config_memory_reservation_set(config.get(), reservation_bytes);
  wasmtime_config_memory_guard_size_set(config.get(), guard_bytes);
  wasmtime_config_wasm_threads_set(config.get(), true);
  wasmtime_config_wasm_simd_set(config.get(), true);
  wasmtime_config_wasm_relaxed_simd_set(config.get(), true);
  wasmtime_config_wasm_tail_call_set(config.get(), true);
#if __has_feature(thread_sanitizer)
  // The compiler's threads hand functions to each other by atomics that ThreadSanitizer cannot see, as the
  // engine is not built for it, and what they allocate and free it does see: it would call each a race.
  wasmtime_config_parallel_compilation_set(config.get(), false);
#endif
  return config;
}

Result<EngineHandle> make_engine(ConfigHandle config) {
  EngineHandle engine(wasm_engine_new_with_config(config.release()));
  if (!engine)
    return fail(Code::unavailable, "the WebAssembly engine did not start: not enough address space?");
  return engine;
}

}  // namespace

Result<EngineHandle> make_compiler() { return make_engine(make_config()); }

Result<EngineHandle> make_pooled_engine(const PoolOptions& options) {
  ConfigHandle config = make_config();
  const PoolHandle pool(wasmtime_pooling_allocation_config_new());
  const std::uint32_t count = options.instances_max;
  // A call of a function in a language has two: the interpreter's, and that of its memory.
  wasmtime_pooling_allocation_config_total_core_instances_set(pool.get(), 2 * count);
  // A guest that throws keeps its exceptions in a heap of the engine, which takes a second memory.
  const std::uint32_t heap_count = count / 4 + 1;
  CANOPY_TRY_VOID(try_reservation(std::uint64_t{count} + heap_count, count));
  wasmtime_pooling_allocation_config_total_memories_set(pool.get(), count + heap_count);
  wasmtime_pooling_allocation_config_total_tables_set(pool.get(), count);
  wasmtime_pooling_allocation_config_total_stacks_set(pool.get(), count);
  canopy_pooling_gc_heaps(pool.get(), heap_count);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool.get(), reservation_bytes);
  wasmtime_pooling_allocation_config_table_elements_set(pool.get(), options.table_elements_max);
  const bool scans = canopy_pooling_pagemap_scan(pool.get());
  const std::uint64_t keep = scans ? options.keep_resident_bytes : options.keep_resident_bytes_without_scan;
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool.get(), keep);
  wasmtime_pooling_allocation_config_table_keep_resident_set(pool.get(), keep);
  wasmtime_pooling_allocation_strategy_set(config.get(), pool.get());
  return make_engine(std::move(config));
}

std::string engine_version() {
  return "wasmtime-" WASMTIME_VERSION "-x86_64-" + std::string(settings_version);
}

}  // namespace canopy::wasm
