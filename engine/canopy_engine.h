#pragma once
// What the C API of wasmtime lacks and Canopy needs. One static library holds both.
//
//   pooling     reset only the pages a call has dirtied
//   entry       one future that instantiates a module and calls one exported function
//   wizer       a module whose start-up has already run
//
// Errors:  as in wasmtime.h: NULL is success, the caller frees what it gets with wasmtime_error_delete.
//          A panic becomes an error too; during a poll it ends the process, as it does in wasmtime.
// Threads: none of it locks. An entry may be used from many threads at once; a wizer by one at a time.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wasmtime.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- pooling

// Lets the pool ask the kernel which pages a call has written, and reset only those, up to the
// keep_resident sizes of `config`. Without it a large keep_resident costs a memset of that size per call.
//
// Returns whether this kernel can (Linux 6.7 and later). Where it cannot, `config` still works, and
// the caller should choose a small keep_resident.
bool canopy_pooling_pagemap_scan(wasmtime_pooling_allocation_config_t* config);

// How many instances that use exceptions may live at once; 1000 unless set. Such an instance keeps its
// exceptions in a heap of the engine, which takes a second memory of the pool: count it in total_memories.
// The exceptions themselves are on by default.
void canopy_pooling_gc_heaps(wasmtime_pooling_allocation_config_t* config, uint32_t count);

// ---- entry

// An exported function of a module whose imports are resolved, found once and called many times.
typedef struct canopy_entry canopy_entry_t;

// Finds the function `name` of `pre` in *entry. It must be of type () -> () or () -> i32.
// `pre` may be deleted afterwards. Free it with canopy_entry_delete, after the last future made from it.
wasmtime_error_t* canopy_entry_new(const wasmtime_instance_pre_t* pre, const char* name, size_t name_len,
                                   canopy_entry_t** entry);

// The same for code that many functions share, each with a memory of its own: `code` imports one memory and
// otherwise only what `linker` offers, which outlives the entry; `image` is a module whose export `memory` is
// that memory, filled. An instance of both is made per call, and counts as two in a store's limits.
wasmtime_error_t* canopy_hosted_entry_new(const wasmtime_linker_t* linker, const wasmtime_module_t* code,
                                          const wasmtime_instance_pre_t* image, const char* name,
                                          size_t name_len, canopy_entry_t** entry);

void canopy_entry_delete(canopy_entry_t* entry);

// Instantiates the entry's module in `store`, then calls the function, in one future: the same as
// wasmtime_instance_pre_instantiate_async followed by wasmtime_func_call_async, at less cost.
//
// Nothing runs before the first wasmtime_call_future_poll. When that returns true, the call has ended:
//   *trap   was set  the guest trapped; free it with wasm_trap_delete
//   *error  was set  it could not be instantiated, or a host function failed, or an exception left it
//   neither          *result holds what the function returned (0 if it returns nothing)
// *instance is set before the function starts, so host functions may use it.
//
// All pointers must stay valid until wasmtime_call_future_delete, which may be called before the end:
// the guest's stack is then unwound without running any more of the guest. `trap` and `error` must
// point to NULL at the start. The thread that polls may change between polls.
wasmtime_call_future_t* canopy_call_start(const canopy_entry_t* entry, wasmtime_context_t* store,
                                          wasmtime_instance_t* instance, int32_t* result, wasm_trap_t** trap,
                                          wasmtime_error_t** error);

// ---- wizer
//
// Runs a module's start-up once, ahead of time, and writes its memory and globals into a new module:
//
//   1. canopy_wizer_instrument(wasm)    a module that also exports all its state
//   2. the host compiles that, instantiates it (this runs a start section, if there is one), then calls
//      `_initialize` if the module exports it, then the init function if it is another one
//   3. canopy_wizer_snapshot(state)     the new module, which the host keeps instead of the original
//
// The library calls nothing: step 2 is all the host's. Forgetting `_initialize` is not noticed: the
// snapshot drops the export `_initialize` and the start section in any case, since they have run. So at
// run time: call `_initialize` if the module exports it, and a snapshot is not initialised twice.
// The export of the init function is dropped too, unless `keep_init`. Everything else is kept.
//
// What the init saw stays: environment variables, clocks, random seeds, open files. A C library that
// seeds itself at start-up is the same in every instance of the snapshot.
//
// Refused: imported memories (thus shared ones), tables and globals; table.set, .grow, .fill, .copy and
// .init; elem.drop and data.drop; mutable globals that hold references.
typedef struct canopy_wizer canopy_wizer_t;

// How the library reads the instance of step 2. A name is not terminated by a zero byte.
// Both return false if there is no such export, which ends the snapshot with an error.
typedef struct canopy_wizer_state {
  void* env;
  // Answers with a number or a v128 in `value`.
  bool (*global_get)(void* env, const char* name, size_t name_len, wasmtime_val_t* value);
  // Answers with the whole memory. It must not change or move during canopy_wizer_snapshot.
  bool (*memory_get)(void* env, const char* name, size_t name_len, const uint8_t** data, size_t* size);
} canopy_wizer_state_t;

// Checks and instruments `wasm`, which is copied and may be freed afterwards. `init` is the name of the
// init function; if the module does not export it the host will notice when it calls it.
// Returns NULL and sets *error, or sets *instrumented (free it with wasm_byte_vec_delete).
canopy_wizer_t* canopy_wizer_instrument(const uint8_t* wasm, size_t wasm_len, const char* init,
                                        bool keep_init, wasm_byte_vec_t* instrumented,
                                        wasmtime_error_t** error);

// Writes the new module to *snapshot (free it with wasm_byte_vec_delete). May be called more than once.
wasmtime_error_t* canopy_wizer_snapshot(const canopy_wizer_t* wizer, const canopy_wizer_state_t* state,
                                        wasm_byte_vec_t* snapshot);

void canopy_wizer_delete(canopy_wizer_t* wizer);

#ifdef __cplusplus
}
#endif
