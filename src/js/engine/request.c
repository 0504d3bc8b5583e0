// The request as a web handler sees it, and its response as the host takes it.

#include <string.h>

#include "engine.h"

// (part) -> text
static JSValue read_part(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  int32_t part = 0;
  if (JS_ToInt32(context, &part, values[0]) < 0) return JS_EXCEPTION;
  const int32_t size = host_request_get((uint32_t)part, NULL, 0);
  if (size <= 0) return JS_NewString(context, "");
  char* const text = js_malloc(context, (size_t)size);
  if (!text) return JS_EXCEPTION;
  host_request_get((uint32_t)part, text, (uint32_t)size);
  const JSValue value = JS_NewStringLen(context, text, (size_t)size);
  js_free(context, text);
  return value;
}

// () -> the header Host
static JSValue read_host(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  (void)values;
  char host[300];
  const int32_t size = host_request_header("host", 4, host, sizeof host);
  if (size < 0 || size > (int32_t)sizeof host) return JS_NewString(context, "");
  return JS_NewStringLen(context, host, (size_t)size);
}

// () -> Uint8Array
static JSValue read_input(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  (void)values;
  const uint32_t size = host_input_size();
  char* const bytes = js_malloc(context, (size_t)size + 1);
  if (!bytes) return JS_EXCEPTION;
  host_input_read(bytes, size, 0);
  const JSValue value = JS_NewUint8ArrayCopy(context, (const uint8_t*)bytes, size);
  js_free(context, bytes);
  return value;
}

// (number) -> whether it is a status a reply can have
static JSValue set_status(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  int32_t status = 0;
  if (JS_ToInt32(context, &status, values[0]) < 0) return JS_EXCEPTION;
  return JS_NewBool(context, host_status_set((uint32_t)status) == 0);
}

// (name, value) -> whether the function may set it
static JSValue set_header(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t name_size = 0;
  size_t value_size = 0;
  const char* const name = JS_ToCStringLen(context, &name_size, values[0]);
  const char* const value = name ? JS_ToCStringLen(context, &value_size, values[1]) : NULL;
  if (!value) {
    JS_FreeCString(context, name);
    return JS_EXCEPTION;
  }
  const int32_t done = host_header_set(name, (uint32_t)name_size, value, (uint32_t)value_size);
  JS_FreeCString(context, name);
  JS_FreeCString(context, value);
  return JS_NewBool(context, done == 0);
}

// (typed array)
static JSValue write_output(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t offset = 0;
  size_t length = 0;
  const JSValue buffer = JS_GetTypedArrayBuffer(context, values[0], &offset, &length, NULL);
  if (JS_IsException(buffer)) return buffer;
  size_t size = 0;
  const uint8_t* const bytes = JS_GetArrayBuffer(context, &size, buffer);
  if (bytes && length > 0) host_output_write(bytes + offset, (uint32_t)length);
  JS_FreeValue(context, buffer);
  return JS_UNDEFINED;
}

bool request_is_response(JSValueConst value) { return JS_IsInstanceOf(js, value, prelude_response) > 0; }

// (Uint8Array of the request) -> promise of a Uint8Array of the answer
static JSValue start_fetch(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t size = 0;
  const uint8_t* const bytes = JS_GetUint8Array(context, &size, values[0]);
  if (!bytes) return JS_EXCEPTION;
  JSValue settle[2];
  const JSValue promise = JS_NewPromiseCapability(context, settle);
  if (JS_IsException(promise)) return promise;
  const int32_t number = host_fetch_start(bytes, (uint32_t)size);
  if (number < 0) {
    JS_FreeValue(context, settle[0]);
    JS_FreeValue(context, settle[1]);
    JS_FreeValue(context, promise);
    return JS_ThrowTypeError(context, "nothing can be fetched here");
  }
  loop_expect(number, settle[0], settle[1]);
  return promise;
}

void request_settle(int32_t number, JSValue resolve, JSValue reject) {
  const int32_t size = host_fetch_read(number, NULL, 0);
  uint8_t* const bytes = size > 0 ? js_malloc(js, (size_t)size) : NULL;
  if (!bytes) engine_fail_thrown();
  host_fetch_read(number, bytes, (uint32_t)size);
  JSValue answer = JS_NewUint8ArrayCopy(js, bytes, (size_t)size);
  js_free(js, bytes);
  if (JS_IsException(answer)) engine_fail_thrown();
  JS_FreeValue(js, JS_Call(js, resolve, JS_UNDEFINED, 1, &answer));
  JS_FreeValue(js, answer);
  JS_FreeValue(js, resolve);
  JS_FreeValue(js, reject);
}

void request_add_natives(JSValueConst natives) {
  native_add(natives, "part", read_part, 1);
  native_add(natives, "host", read_host, 0);
  native_add(natives, "input", read_input, 0);
  native_add(natives, "status", set_status, 1);
  native_add(natives, "header", set_header, 2);
  native_add(natives, "output", write_output, 1);
  native_add(natives, "fetch", start_fetch, 1);
}
