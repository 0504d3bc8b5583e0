#pragma once
// The parts of the guest, and what they share: one runtime with one context, in one instance, for one call.
//
//   deploy  engine_prepare ─▶ natives, prelude ─▶ source ─▶ [image of the memory]
//   call    engine_handle  ─▶ input ─▶ handler ─▶ loop: jobs, timers, fetches ─▶ output
//
// Whatever goes wrong ends in engine_fail_*(), which do not return.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host.h"
#include "quickjs.h"

extern JSRuntime* js_runtime;
extern JSContext* js;

// -- failure.c
// Ends the call with the pending exception, as the function's own error.
_Noreturn void engine_fail_thrown(void);
// The same with `reason`, which is consumed: what was thrown, or what a promise was rejected with.
_Noreturn void engine_fail_with(JSValue reason, enum host_failure failure);
_Noreturn void engine_fail(enum host_failure failure, const char* text);
// Logs `reason` as an error, with its stack.
void engine_log_error(const char* before, JSValueConst reason);

// -- memory.c
extern const JSMallocFunctions memory_functions;
// What is asked for from now on lies together. Once, before the image is taken.
void memory_seal(void);

// -- source.c
// How the source of a function is run: at once, or only parsed, to be run in each call.
enum source_mode { SOURCE_RUN, SOURCE_PARSE };
void source_load(enum source_mode mode);
// In a call: runs it where it was only parsed. Afterwards there is a handler.
void source_finish(void);
extern JSValue source_handler;       // A function.
extern JSValue source_handler_this;  // What it is a method of; undefined for a plain function.
extern bool source_is_web;           // It takes a Request and answers a Response.

// -- source_map.c
typedef void source_map_add(const char* bytes, size_t size);
// Keeps the map in the last line of a bundle, where it has one.
void source_map_read(const char* text, size_t size);
// Adds `text` with each place in the bundle as the place in the file that it came from.
void source_map_show(const char* text, size_t size, source_map_add* add);
void source_map_add_natives(JSValueConst natives);

// -- loop.c
void loop_start(void);  // Once, before the image is taken.
// Runs jobs, timers and fetches until `promise` is settled; consumes it and returns its value.
JSValue loop_until_settled(JSValue promise);
// Runs the jobs that are ready.
void loop_run_jobs(void);
bool loop_is_idle(void);  // Nothing is left that could happen.
void loop_add_natives(JSValueConst natives);
void loop_report_rejections(void);
// A fetch number of which the promise's functions are kept; both are consumed.
void loop_expect(int32_t number, JSValue resolve, JSValue reject);

// -- natives.c, text.c, header.c, request.c
void natives_add(JSValueConst natives);
void natives_start_call(void);
void text_add_natives(JSValueConst natives);
void header_add_natives(JSValueConst natives);
void request_add_natives(JSValueConst natives);
bool request_is_response(JSValueConst value);
// A fetch has its answer; both functions are consumed.
void request_settle(int32_t number, JSValue resolve, JSValue reject);
void native_add(JSValueConst natives, const char* name, JSCFunction* function, int count);

// -- prelude.c
// Makes what a function finds in its global object, and keeps what the engine itself needs of it.
void prelude_load(void);
extern JSValue prelude_serve;     // (handler, object) -> what the handler returned
extern JSValue prelude_respond;   // (response) -> nothing, or a promise of having ended what comes after it
extern JSValue prelude_resolve;   // (object) -> a promise, where it is a thenable
extern JSValue prelude_response;  // The class Response.
