#pragma once
// Input and output for functions written for Faasm, under its names. Nothing to link.
//
// Such a function is a command: main() runs per call, and what it returns other than 0 fails the call.

#include <stddef.h>
#include <stdint.h>

#define BYTES(x) ((uint8_t*)(x))

#ifdef __cplusplus
extern "C" {
#endif

typedef int (*FaasmFuncPtr)(void);

/* The imports themselves. */
__attribute__((import_module("env"), import_name("__faasm_read_input"))) int32_t
__faasm_read_input(void* buffer, int32_t size);
__attribute__((import_module("env"), import_name("__faasm_write_output"))) void __faasm_write_output(
    const void* data, int32_t size);

/* How large the call's input is; 0 if it has none. */
static inline long faasmGetInputSize(void) { return (long)__faasm_read_input((void*)0, 0); }

/* Copies the input's first `size` bytes, or all of it where it is shorter. */
static inline void faasmGetInput(uint8_t* buffer, long size) {
  if (size > 0) (void)__faasm_read_input(buffer, (int32_t)size);
}

/* Makes these bytes the call's output, in place of what was set before. Takes any pointer: functions pass
 * const char*, uint8_t* and others, in C as in C++. */
static inline void faasmSetOutput(const void* data, long size) { __faasm_write_output(data, (int32_t)size); }

#ifdef __cplusplus
}
#endif
