// How a call ends that does not end well: one message, with the stack in the function's own lines.

#include <errno.h>
#include <string.h>

#include "engine.h"

enum { text_bytes_max = 8 * 1024 };

static char text[text_bytes_max];
static uint32_t text_size;

static void add(const char* bytes, size_t size) {
  const size_t room = text_bytes_max - text_size;
  if (size > room) size = room;
  memcpy(text + text_size, bytes, size);
  text_size += (uint32_t)size;
}

// Frames of the prelude are nobody's business.
static void add_stack(const char* stack, size_t size) {
  static const char ours[] = "canopy:";
  const char* const end = stack + size;
  while (stack < end) {
    const char* line_end = memchr(stack, '\n', (size_t)(end - stack));
    if (!line_end) line_end = end;
    bool hidden = line_end == stack;
    for (const char* at = stack; at + sizeof ours - 1 < line_end && !hidden; ++at) {
      hidden = memcmp(at, ours, sizeof ours - 1) == 0;
    }
    if (!hidden) {
      add("\n", 1);
      source_map_show(stack, (size_t)(line_end - stack), add);
    }
    stack = line_end + 1;
  }
}

// False where even that needs more memory than there is, or throws.
static bool add_value(JSValueConst value) {
  size_t size = 0;
  const char* const bytes = JS_ToCStringLen(js, &size, value);
  if (!bytes) {
    JS_FreeValue(js, JS_GetException(js));
    return false;
  }
  add(bytes, size);
  JS_FreeCString(js, bytes);
  return true;
}

static void describe(JSValueConst reason) {
  if (!add_value(reason)) add("an error that has no words", 26);
  if (!JS_IsError(reason)) return;
  const JSValue stack = JS_GetPropertyStr(js, reason, "stack");
  if (JS_IsException(stack)) return JS_FreeValue(js, JS_GetException(js));
  if (JS_IsString(stack)) {
    size_t size = 0;
    const char* const bytes = JS_ToCStringLen(js, &size, stack);
    if (bytes) add_stack(bytes, size);
    JS_FreeCString(js, bytes);
  }
  JS_FreeValue(js, stack);
}

static bool is_out_of_memory(void) {
  static const char words[] = "InternalError: out of memory";
  return text_size >= sizeof words - 1 && memcmp(text, words, sizeof words - 1) == 0;
}

_Noreturn void engine_fail_with(JSValue reason, enum host_failure failure) {
  text_size = 0;
  describe(reason);
  // Where there is no memory even for the error, QuickJS throws null. So may the function, without that.
  const bool no_memory_for_words = JS_IsNull(reason) && errno == ENOMEM;
  if (is_out_of_memory() || no_memory_for_words) host_fail(HOST_OUT_OF_MEMORY, text, 0);
  host_fail(failure, text, text_size);
}

_Noreturn void engine_fail_thrown(void) { engine_fail_with(JS_GetException(js), HOST_THREW); }

_Noreturn void engine_fail(enum host_failure failure, const char* words) {
  host_fail(failure, words, (uint32_t)strlen(words));
}

void engine_log_error(const char* before, JSValueConst reason) {
  enum { error_level = 3 };
  text_size = 0;
  add(before, strlen(before));
  describe(reason);
  host_log_write(error_level, text, text_size);
}
