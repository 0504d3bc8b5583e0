// What the prelude builds on: log, time, randomness, the function's variables. And the C library's clocks,
// which QuickJS asks while it is made.
//
// The image of a function must not hold a time or a random number. The engine's own seeds at its making come
// from the host and are the same in all calls of a function; whatever a function sees is asked for anew.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "engine.h"

static bool in_call = false;

// In place of the C library's.
int clock_gettime(clockid_t clock, struct timespec* out) {
  uint64_t time = 0;
  if (in_call) host_clock(clock == CLOCK_REALTIME ? HOST_WALL_CLOCK : HOST_STEADY_CLOCK, 1, &time);
  out->tv_sec = (time_t)(time / 1000000000);
  out->tv_nsec = (long)(time % 1000000000);
  return 0;
}

static bool engine_is_made = false;

int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  (void)zone;
  uint64_t time = 0;
  if (engine_is_made) {
    host_clock(HOST_WALL_CLOCK, 1, &time);  // Ends a preparation: Date is not to be frozen.
  } else {
    time = (uint64_t)host_seed() >> 1;
  }
  out->tv_sec = (time_t)(time / 1000000000);
  out->tv_usec = (long)(time / 1000 % 1000000);
  return 0;
}

void natives_start_call(void) { in_call = true; }

// ---- randomness

static uint64_t random_state[2];

static uint64_t next_random(void) {
  if (random_state[0] == 0 && random_state[1] == 0) {
    host_random(random_state, sizeof random_state);
    random_state[0] |= 1;
  }
  uint64_t a = random_state[0];
  const uint64_t b = random_state[1];
  random_state[0] = b;
  a ^= a << 23;
  random_state[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
  return random_state[1] + b;
}

static JSValue math_random(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  (void)values;
  return JS_NewFloat64(context, (double)(next_random() >> 11) * 0x1p-53);
}

// (typed array): fills its bytes.
static JSValue random_fill(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t offset = 0;
  size_t length = 0;
  const JSValue buffer = JS_GetTypedArrayBuffer(context, values[0], &offset, &length, NULL);
  if (JS_IsException(buffer)) return buffer;
  size_t size = 0;
  uint8_t* const bytes = JS_GetArrayBuffer(context, &size, buffer);
  JS_FreeValue(context, buffer);
  if (!bytes) return JS_EXCEPTION;
  if (length > 0) host_random(bytes + offset, (uint32_t)length);
  return JS_UNDEFINED;
}

// ---- log, time, variables

// (level, text)
static JSValue write_log(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  int32_t level = 0;
  if (JS_ToInt32(context, &level, values[0]) < 0) return JS_EXCEPTION;
  size_t size = 0;
  const char* const text = JS_ToCStringLen(context, &size, values[1]);
  if (!text) return JS_EXCEPTION;
  host_log_write((uint32_t)level, text, (uint32_t)size);
  JS_FreeCString(context, text);
  return JS_UNDEFINED;
}

// Milliseconds of a clock: 0 that of the wall, 1 one that is never set.
static JSValue read_clock(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  int32_t clock = 0;
  if (JS_ToInt32(context, &clock, values[0]) < 0) return JS_EXCEPTION;
  uint64_t time = 0;
  host_clock(clock == 0 ? HOST_WALL_CLOCK : HOST_STEADY_CLOCK, 1, &time);
  return JS_NewFloat64(context, (double)time / 1e6);
}

// (which) -> [name, value, ...]
static JSValue read_list(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  int32_t which = 0;
  if (JS_ToInt32(context, &which, values[0]) < 0) return JS_EXCEPTION;
  const uint32_t size = host_list_read((uint32_t)which, NULL, 0);
  char* const text = js_malloc(context, (size_t)size + 1);
  if (!text) return JS_EXCEPTION;
  host_list_read((uint32_t)which, text, size);
  JSValue list = JS_NewArray(context);
  uint32_t index = 0;
  for (const char* at = text; at < text + size && !JS_IsException(list);) {
    const char* const end = memchr(at, '\0', (size_t)(text + size - at));
    if (!end) break;
    const JSValue item = JS_NewStringLen(context, at, (size_t)(end - at));
    if (JS_IsException(item) || JS_SetPropertyUint32(context, list, index++, item) < 0) {
      JS_FreeValue(context, list);
      list = JS_EXCEPTION;
    }
    at = end + 1;
  }
  js_free(context, text);
  return list;
}

void native_add(JSValueConst natives, const char* name, JSCFunction* function, int count) {
  if (JS_SetPropertyStr(js, natives, name, JS_NewCFunction(js, function, name, count)) < 0) engine_fail_thrown();
}

void natives_add(JSValueConst natives) {
  engine_is_made = true;
  native_add(natives, "random", math_random, 0);
  native_add(natives, "randomFill", random_fill, 1);
  native_add(natives, "log", write_log, 2);
  native_add(natives, "clock", read_clock, 1);
  native_add(natives, "list", read_list, 1);
}
