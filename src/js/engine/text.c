// UTF-8 and back: TextEncoder and TextDecoder.

#include <string.h>

#include "engine.h"

// (text) -> Uint8Array
static JSValue encode(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t size = 0;
  const char* const text = JS_ToCStringLen(context, &size, values[0]);
  if (!text) return JS_EXCEPTION;
  const JSValue bytes = JS_NewUint8ArrayCopy(context, (const uint8_t*)text, size);
  JS_FreeCString(context, text);
  return bytes;
}

// How many bytes the character at `at` has; negative: that many of none.
static int character_size(const uint8_t* at, size_t left) {
  const uint8_t first = at[0];
  if (first < 0x80) return 1;
  const int size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (size == 0) return -1;
  for (int i = 1; i < size; ++i) {
    if ((size_t)i >= left || (at[i] & 0xc0) != 0x80) return -i;
    if (i > 1) continue;
    if (first == 0xe0 && at[1] < 0xa0) return -1;
    if (first == 0xed && at[1] > 0x9f) return -1;
    if (first == 0xf0 && at[1] < 0x90) return -1;
    if (first == 0xf4 && at[1] > 0x8f) return -1;
  }
  return size;
}

// What is no UTF-8 becomes U+FFFD, one for each longest beginning of a character.
static JSValue decode_repaired(JSContext* context, const uint8_t* bytes, size_t size, size_t bad_count) {
  char* const text = js_malloc(context, size + bad_count * 3 + 1);
  if (!text) return JS_EXCEPTION;
  size_t length = 0;
  for (size_t at = 0; at < size;) {
    const int step = character_size(bytes + at, size - at);
    if (step > 0) {
      memcpy(text + length, bytes + at, (size_t)step);
      length += (size_t)step;
      at += (size_t)step;
    } else {
      memcpy(text + length, "\xef\xbf\xbd", 3);
      length += 3;
      at += (size_t)-step;
    }
  }
  const JSValue value = JS_NewStringLen(context, text, length);
  js_free(context, text);
  return value;
}

// (typed array, fatal) -> text
static JSValue decode(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t offset = 0;
  size_t size = 0;
  const JSValue buffer = JS_GetTypedArrayBuffer(context, values[0], &offset, &size, NULL);
  if (JS_IsException(buffer)) return buffer;
  size_t whole = 0;
  const uint8_t* bytes = JS_GetArrayBuffer(context, &whole, buffer);
  JS_FreeValue(context, buffer);
  if (size == 0) return JS_NewString(context, "");
  if (!bytes) return JS_EXCEPTION;
  bytes += offset;
  size_t bad_count = 0;
  for (size_t at = 0; at < size;) {
    const int step = character_size(bytes + at, size - at);
    bad_count += step < 0;
    at += (size_t)(step < 0 ? -step : step);
  }
  if (bad_count == 0) return JS_NewStringLen(context, (const char*)bytes, size);
  if (JS_ToBool(context, values[1])) return JS_ThrowTypeError(context, "The encoded data was not valid for encoding utf-8");
  return decode_repaired(context, bytes, size, bad_count);
}

void text_add_natives(JSValueConst natives) {
  native_add(natives, "encode", encode, 1);
  native_add(natives, "decode", decode, 2);
}
