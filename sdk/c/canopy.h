#pragma once
// Canopy's SDK for functions in C and C++. One header; nothing to link.
//
// A function has one of two shapes.
//
// A command is an ordinary program: main() reads the call's input from standard input and writes the reply
// to standard output. It needs nothing of this header.
//
// A reactor (linked with -mexec-model=reactor) is initialised once, when it is deployed; a picture of its
// memory is taken, and each call starts from that picture and runs the handler:
//
//     #include <canopy.h>
//
//     CANOPY_INIT { load_tables(); }         // Optional: once, before the picture is taken.
//
//     CANOPY_HANDLER(handle) {
//       canopy_print("hello\n");
//       return 0;                            // Anything else: the call has failed.
//     }
//
// What the initialisation asks for must be the same for every call. If it asks for the time, for random
// numbers, for arguments, environment or input, or writes files, no picture is taken, and the
// initialisation runs in each call instead: slower, but right.
//
// In both shapes standard error is the call's log. Standard output is the reply, until canopy_output_write()
// is called; what was or will be printed then goes to the log.
//
// Sizes are bytes. Text is not terminated by a NUL, and has no NUL in it. A pointer that leads outside of
// the function's memory ends the call.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CANOPY_IMPORT(name) __attribute__((import_module("canopy"), import_name(name)))
#define CANOPY_EXPORT(name) __attribute__((export_name(name), visibility("default"), used))

#ifdef __cplusplus
extern "C" {
#endif

/* -- Input: the body of the request ---------------------------------------------------------------- */

/* How large it is. */
CANOPY_IMPORT("input_size") uint32_t canopy_input_size(void);

/* Copies up to `size` bytes of it, from `offset` on, and returns how many: fewer at its end, 0 past it.
 * It may be read as often as you like, and independently of standard input. */
CANOPY_IMPORT("input_read") uint32_t canopy_input_read(void* buffer, uint32_t size, uint32_t offset);

/* -- Output: the body of the reply, its status and headers ----------------------------------------- */

/* Appends to the output. Ends the call where that would be more than its output limit. */
CANOPY_IMPORT("output_write") void canopy_output_write(const void* data, uint32_t size);

/* The HTTP status of the reply, 200 to 599; it is 200 if never set. -1: not such a status. */
CANOPY_IMPORT("status_set") int32_t canopy_status_set(uint32_t status);

/* Sets a header of the reply, in place of one of the same name; Set-Cookie is added to others.
 * -1: not a name, a value that could end the line, a header that is not the function's to set (such as
 * Content-Length, Connection, X-Call-Id), or more than 100 headers or 32 KiB of them. */
CANOPY_IMPORT("header_set")
int32_t canopy_header_set(const char* name, uint32_t name_size, const char* value, uint32_t value_size);

/* -- The request ------------------------------------------------------------------------------------ */

enum canopy_part {
  CANOPY_METHOD = 0,  /* POST */
  CANOPY_PATH = 1,    /* what follows the function's own; begins with a slash */
  CANOPY_QUERY = 2,   /* without the question mark; may be empty */
  CANOPY_CALL_ID = 3, /* 32 hexadecimal digits */
  CANOPY_FUNCTION = 4 /* namespace/name */
};

/* Copies as much of a part as fits into `size` bytes, and returns how large it is in whole: call it with
 * size 0 to learn how much room it needs. -1: there is no such part. */
CANOPY_IMPORT("request_get") int32_t canopy_request_get(uint32_t part, char* buffer, uint32_t size);

/* The same for the header of that name, in any case of letters. -1: the request has none. */
CANOPY_IMPORT("request_header")
int32_t canopy_request_header(const char* name, uint32_t name_size, char* buffer, uint32_t size);

/* -- Log, time --------------------------------------------------------------------------------------- */

enum canopy_level { CANOPY_DEBUG = 0, CANOPY_INFO = 1, CANOPY_WARNING = 2, CANOPY_ERROR = 3 };

/* Writes one line to the call's log: "[warning] text". */
CANOPY_IMPORT("log_write") void canopy_log_write(uint32_t level, const char* text, uint32_t size);

/* Milliseconds left until the call's deadline, when it is ended wherever it is. -1: it has none. */
CANOPY_IMPORT("deadline_ms") int64_t canopy_deadline_ms(void);

/* -- For text that ends in NUL ----------------------------------------------------------------------- */

static inline void canopy_print(const char* text) { canopy_output_write(text, (uint32_t)strlen(text)); }

static inline int32_t canopy_set_header(const char* name, const char* value) {
  return canopy_header_set(name, (uint32_t)strlen(name), value, (uint32_t)strlen(value));
}

static inline void canopy_log(enum canopy_level level, const char* text) {
  canopy_log_write((uint32_t)level, text, (uint32_t)strlen(text));
}

/* -- Exports ------------------------------------------------------------------------------------------ */

/* Defines the handler of a reactor; at the top level of one file, followed by its body, which returns int:
 * 0, or anything else where the call has failed. `name` is the name that stack traces show. */
#ifdef __cplusplus
#define CANOPY_HANDLER(name)                                \
  extern "C" CANOPY_EXPORT("canopy_handle") int name(void); \
  extern "C" int name(void)
#define CANOPY_INIT                                               \
  extern "C" CANOPY_EXPORT("canopy_init") void canopy_init(void); \
  extern "C" void canopy_init(void)
#else
#define CANOPY_HANDLER(name)                     \
  CANOPY_EXPORT("canopy_handle") int name(void); \
  int name(void)
/* Defines what runs once, when the function is deployed, after its constructors. */
#define CANOPY_INIT                                    \
  CANOPY_EXPORT("canopy_init") void canopy_init(void); \
  void canopy_init(void)
#endif

#ifdef __cplusplus
}
#endif
