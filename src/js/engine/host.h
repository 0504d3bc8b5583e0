#pragma once
// What the guest may ask of its host. The same functions as any function written in C has (module `canopy`),
// a few of WASI's, and what only a language needs (module `canopy_js`, src/js/imports.cc).

#include <stdint.h>

#define HOST_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define HOST_EXPORT(name) __attribute__((export_name(name)))

HOST_IMPORT("canopy", "input_size") uint32_t host_input_size(void);
HOST_IMPORT("canopy", "input_read") uint32_t host_input_read(void* into, uint32_t size, uint32_t offset);
HOST_IMPORT("canopy", "output_write") void host_output_write(const void* data, uint32_t size);
HOST_IMPORT("canopy", "status_set") int32_t host_status_set(uint32_t status);
HOST_IMPORT("canopy", "header_set")
int32_t host_header_set(const char* name, uint32_t name_size, const char* value, uint32_t value_size);
HOST_IMPORT("canopy", "request_get") int32_t host_request_get(uint32_t part, char* into, uint32_t size);
HOST_IMPORT("canopy", "request_header")
int32_t host_request_header(const char* name, uint32_t name_size, char* into, uint32_t size);
HOST_IMPORT("canopy", "log_write") void host_log_write(uint32_t level, const char* text, uint32_t size);

enum host_clock { HOST_WALL_CLOCK = 0, HOST_STEADY_CLOCK = 1 };
HOST_IMPORT("wasi_snapshot_preview1", "clock_time_get")
int32_t host_clock(uint32_t clock, uint64_t precision, uint64_t* nanoseconds);
HOST_IMPORT("wasi_snapshot_preview1", "random_get") int32_t host_random(void* into, uint32_t size);

// While a function is prepared: its source, and a number that no client knows, for what has to be seeded.
HOST_IMPORT("canopy_js", "source_size") uint32_t host_source_size(void);
HOST_IMPORT("canopy_js", "source_read") void host_source_read(char* into);
HOST_IMPORT("canopy_js", "seed") int64_t host_seed(void);

// Ends the call, or the preparation, here.
enum host_failure {
  HOST_THREW = 0,          // The function's own error.
  HOST_OUT_OF_MEMORY = 1,  // Past its limit.
  HOST_REFUSED = 2,        // Its source cannot be run.
  HOST_BAD_INPUT = 3,      // The client's error.
  HOST_NOT_YET = 4,        // Preparing: what it asks for differs from call to call.
};
HOST_IMPORT("canopy_js", "fail")
_Noreturn void host_fail(uint32_t failure, const char* text, uint32_t size);

// Headers of the request, then the function's variables: "name\0value\0" each. Returns the size of all.
enum host_list { HOST_HEADERS = 0, HOST_VARIABLES = 1 };
HOST_IMPORT("canopy_js", "list_read") uint32_t host_list_read(uint32_t list, char* into, uint32_t size);

// Starts a request: "method\0url\0redirect\0", pairs "name\0value\0", "\0" and the body. Its number, from 1;
// negative where nothing can be fetched here.
HOST_IMPORT("canopy_js", "fetch_start") int32_t host_fetch_start(const void* request, uint32_t size);
// With size 0: how large its answer is. Else copies all of it, once: "status\0url\0redirected\0", pairs, "\0"
// and the body; "0\0words" of an error.
HOST_IMPORT("canopy_js", "fetch_read") int32_t host_fetch_read(int32_t number, void* into, uint32_t size);

// Sleeps for `microseconds`, or until a fetch has an answer (-1: only that); returns that fetch's number, or
// 0.
HOST_IMPORT("canopy_js", "wait") int32_t host_wait(int64_t microseconds);
