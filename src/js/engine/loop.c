// What happens after the handler has returned: jobs of promises, then what is due of the timers, then waiting.
//
// Timers stand in a heap by the time they are due; each knows its place in it, so that clearing one of ten
// thousand is cheap. A number of a timer is its slot and how often the slot was used, and never used twice.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct timer {
  JSValue function;
  JSValue* arguments;
  uint32_t count;
  uint32_t generation;
  uint32_t place;    // In the heap, from 1; 0: not in it.
  uint32_t next;     // Of a free slot.
  uint64_t due;      // Nanoseconds.
  uint64_t order;    // Of those due at once, the one that was set first.
  int64_t interval;  // Nanoseconds; negative: once.
};

struct expected {
  int32_t number;
  JSValue resolve;
  JSValue reject;
};

static struct timer* timers;
static uint32_t timer_room;
static uint32_t* heap;
static uint32_t heap_size;
static uint32_t free_slot;  // From 1.
static uint64_t order;

static struct expected* expected;
static uint32_t expected_size;
static uint32_t expected_room;

enum { slot_bits = 26, delay_ms_max = 0x7fffffff };

static uint64_t now(void) {
  uint64_t time = 0;
  host_clock(HOST_STEADY_CLOCK, 1, &time);
  return time;
}

// ---- the heap

static bool is_before(uint32_t a, uint32_t b) {
  return timers[a].due < timers[b].due || (timers[a].due == timers[b].due && timers[a].order < timers[b].order);
}

static void put(uint32_t place, uint32_t slot) {
  heap[place - 1] = slot;
  timers[slot].place = place;
}

static void rise(uint32_t place) {
  const uint32_t slot = heap[place - 1];
  while (place > 1 && is_before(slot, heap[place / 2 - 1])) {
    put(place, heap[place / 2 - 1]);
    place /= 2;
  }
  put(place, slot);
}

static void sink(uint32_t place) {
  const uint32_t slot = heap[place - 1];
  for (uint32_t child = place * 2; child <= heap_size; child = place * 2) {
    if (child < heap_size && is_before(heap[child], heap[child - 1])) ++child;
    if (!is_before(heap[child - 1], slot)) break;
    put(place, heap[child - 1]);
    place = child;
  }
  put(place, slot);
}

static void leave_heap(uint32_t slot) {
  const uint32_t place = timers[slot].place;
  if (place == 0) return;
  timers[slot].place = 0;
  const uint32_t last = heap[--heap_size];
  if (last == slot) return;
  put(place, last);
  rise(place);
  sink(timers[last].place);
}

static void enter_heap(uint32_t slot) {
  heap[heap_size] = slot;
  put(++heap_size, slot);
  rise(heap_size);
}

static bool make_room(void) {
  if (free_slot != 0) return true;
  const uint32_t room = timer_room == 0 ? 16 : timer_room * 2;
  if (room > 1u << slot_bits) return false;
  uint32_t* const larger_heap = realloc(heap, room * sizeof *heap);
  if (larger_heap) heap = larger_heap;
  struct timer* const larger = larger_heap ? realloc(timers, room * sizeof *timers) : NULL;
  if (!larger) return false;
  timers = larger;
  memset(timers + timer_room, 0, (room - timer_room) * sizeof *timers);
  for (uint32_t slot = timer_room; slot < room; ++slot) timers[slot].next = slot + 1 < room ? slot + 2 : 0;
  free_slot = timer_room + 1;
  timer_room = room;
  return true;
}

static void drop(uint32_t slot) {
  struct timer* const timer = &timers[slot];
  JS_FreeValue(js, timer->function);
  for (uint32_t i = 0; i < timer->count; ++i) JS_FreeValue(js, timers[slot].arguments[i]);
  free(timers[slot].arguments);
  timers[slot].arguments = NULL;
  timers[slot].count = 0;
  timers[slot].function = JS_UNDEFINED;
  ++timers[slot].generation;
  timers[slot].next = free_slot;
  free_slot = slot + 1;
}

// ---- what a function calls

static JSValue set_timer(JSContext* context, JSValueConst self, int count, JSValueConst* values, int repeats) {
  (void)self;
  if (count < 1 || !JS_IsFunction(context, values[0])) {
    return JS_ThrowTypeError(context, "%s: the first argument is not a function", repeats ? "setInterval" : "setTimeout");
  }
  double delay = 0;
  if (count > 1 && JS_ToFloat64(context, &delay, values[1]) < 0) return JS_EXCEPTION;
  if (!(delay >= 1)) delay = 1;
  if (delay > delay_ms_max) delay = 1;  // As browsers and Node have it.
  if (!make_room()) return JS_ThrowOutOfMemory(context);
  const uint32_t extra = count > 2 ? (uint32_t)count - 2 : 0;
  JSValue* const arguments = extra == 0 ? NULL : malloc(extra * sizeof *arguments);
  if (extra != 0 && !arguments) return JS_ThrowOutOfMemory(context);
  for (uint32_t i = 0; i < extra; ++i) arguments[i] = JS_DupValue(context, values[2 + i]);
  const uint32_t slot = free_slot - 1;
  struct timer* const timer = &timers[slot];
  free_slot = timer->next;
  const uint64_t nanoseconds = (uint64_t)(delay * 1e6);
  timer->function = JS_DupValue(context, values[0]);
  timer->arguments = arguments;
  timer->count = extra;
  timer->due = now() + nanoseconds;
  timer->order = ++order;
  timer->interval = repeats ? (int64_t)nanoseconds : -1;
  enter_heap(slot);
  return JS_NewFloat64(context, (double)timer->generation * (1u << slot_bits) + slot + 1);
}

static JSValue clear_timer(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  double number = 0;
  if (count < 1 || !JS_IsNumber(values[0])) return JS_UNDEFINED;
  if (JS_ToFloat64(context, &number, values[0]) < 0) return JS_EXCEPTION;
  const double generation = floor((number - 1) / (1u << slot_bits));
  const double place = number - 1 - generation * (1u << slot_bits);
  if (!(place >= 0 && place < timer_room) || place != floor(place)) return JS_UNDEFINED;
  const uint32_t slot = (uint32_t)place;
  if (timers[slot].generation != generation || JS_IsUndefined(timers[slot].function)) return JS_UNDEFINED;
  timers[slot].interval = -1;
  if (timers[slot].place == 0) return JS_UNDEFINED;  // It runs now; its turn ends it.
  leave_heap(slot);
  drop(slot);
  return JS_UNDEFINED;
}

static void fire(uint32_t slot) {
  leave_heap(slot);
  const JSValue function = JS_DupValue(js, timers[slot].function);
  const JSValue result = JS_Call(js, function, JS_UNDEFINED, (int)timers[slot].count, timers[slot].arguments);
  JS_FreeValue(js, function);
  if (JS_IsException(result)) engine_fail_thrown();
  JS_FreeValue(js, result);
  if (timers[slot].interval < 0) return drop(slot);
  timers[slot].due = now() + (uint64_t)timers[slot].interval;
  timers[slot].order = ++order;
  enter_heap(slot);
}

void loop_expect(int32_t number, JSValue resolve, JSValue reject) {
  if (expected_size == expected_room) {
    const uint32_t room = expected_room == 0 ? 4 : expected_room * 2;
    struct expected* const larger = realloc(expected, room * sizeof *expected);
    if (!larger) engine_fail(HOST_OUT_OF_MEMORY, "");
    expected = larger;
    expected_room = room;
  }
  expected[expected_size++] = (struct expected){number, resolve, reject};
}

static void settle(int32_t number) {
  for (uint32_t i = 0; i < expected_size; ++i) {
    if (expected[i].number != number) continue;
    const struct expected found = expected[i];
    expected[i] = expected[--expected_size];
    request_settle(number, found.resolve, found.reject);
    return;
  }
}

// ---- rejections that nobody handles

enum { rejections_max = 16 };
static struct {
  void* promise;
  JSValue reason;
} rejections[rejections_max];
static uint32_t rejection_count;

static void track(JSContext* context, JSValueConst promise, JSValueConst reason, bool is_handled, void* unused) {
  (void)unused;
  void* const id = JS_VALUE_GET_PTR(promise);
  if (!is_handled) {
    if (rejection_count == rejections_max) return;
    rejections[rejection_count].promise = id;
    rejections[rejection_count++].reason = JS_DupValue(context, reason);
    return;
  }
  for (uint32_t i = 0; i < rejection_count; ++i) {
    if (rejections[i].promise != id) continue;
    JS_FreeValue(context, rejections[i].reason);
    rejections[i] = rejections[--rejection_count];
    return;
  }
}

void loop_report_rejections(void) {
  for (uint32_t i = 0; i < rejection_count; ++i) {
    engine_log_error("a promise was rejected and nobody handled it: ", rejections[i].reason);
  }
}

// ---- the loop

void loop_start(void) { JS_SetHostPromiseRejectionTracker(js_runtime, track, NULL); }

void loop_run_jobs(void) {
  JSContext* context = NULL;
  int ran;
  while ((ran = JS_ExecutePendingJob(js_runtime, &context)) > 0) {
  }
  if (ran < 0) engine_fail_thrown();
}

bool loop_is_idle(void) { return heap_size == 0 && expected_size == 0; }

static void wait_for_next(void) {
  if (heap_size == 0) return settle(host_wait(-1));
  const uint32_t next = heap[0];
  const uint64_t time = now();
  if (timers[next].due <= time) return fire(next);
  const int32_t number = host_wait((int64_t)((timers[next].due - time + 999) / 1000));
  if (number != 0) settle(number);
}

JSValue loop_until_settled(JSValue promise) {
  if (!JS_IsPromise(promise)) {
    if (!JS_IsObject(promise)) return promise;
    // Somebody's own promise, perhaps: await knows.
    const JSValue resolved = JS_Call(js, prelude_resolve, JS_UNDEFINED, 1, &promise);
    JS_FreeValue(js, promise);
    if (JS_IsException(resolved)) engine_fail_thrown();
    if (!JS_IsPromise(resolved)) return resolved;
    promise = resolved;
  }
  for (;;) {
    loop_run_jobs();
    const JSPromiseStateEnum state = JS_PromiseState(js, promise);
    if (state != JS_PROMISE_PENDING) {
      const JSValue value = JS_PromiseResult(js, promise);
      if (state == JS_PROMISE_REJECTED) engine_fail_with(value, HOST_THREW);
      JS_FreeValue(js, promise);
      return value;
    }
    if (loop_is_idle()) {
      engine_fail(HOST_THREW, "the function's promise can never settle: no timer, no fetch and no other promise is left");
    }
    wait_for_next();
  }
}

static JSValue set_timeout(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  return set_timer(context, self, count, values, 0);
}

static JSValue set_interval(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  return set_timer(context, self, count, values, 1);
}

void loop_add_natives(JSValueConst natives) {
  native_add(natives, "setTimeout", set_timeout, 2);
  native_add(natives, "setInterval", set_interval, 2);
  native_add(natives, "clearTimeout", clear_timer, 1);
  native_add(natives, "clearInterval", clear_timer, 1);
}
