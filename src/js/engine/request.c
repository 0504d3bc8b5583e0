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

enum { host_size_max = 300 };

// The header Host.
static uint32_t get_host(char* into) {
  const int32_t size = host_request_header("host", 4, into, host_size_max);
  if (size > 0 && size <= host_size_max) return (uint32_t)size;
  memcpy(into, "localhost", 9);
  return 9;
}

// () -> text
static JSValue read_host(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  (void)values;
  char host[host_size_max];
  const uint32_t size = get_host(host);
  return JS_NewStringLen(context, host, size);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_small(char c) { return c >= 'a' && c <= 'z'; }

// Digits without a zero before them, up to `max`.
static bool is_number(const char* at, const char* end, uint32_t max) {
  if (at == end || end - at > 5 || (*at == '0' && end - at > 1)) return false;
  uint32_t number = 0;
  for (; at < end; ++at) {
    if (!is_digit(*at)) return false;
    number = number * 10 + (uint32_t)(*at - '0');
  }
  return number <= max;
}

// Whether a parser of URLs would leave it as it is: names in small letters, or four numbers.
static bool is_plain_host(const char* at, const char* end) {
  const char* const colon = memchr(at, ':', (size_t)(end - at));
  if (colon) {
    if (!is_number(colon + 1, end, 65535) || colon[1] == '0' || (end - colon == 3 && memcmp(colon, ":80", 3) == 0)) return false;
    end = colon;
  }
  uint32_t label_count = 0;
  uint32_t number_count = 0;
  while (at <= end) {
    const char* const dot = at < end ? memchr(at, '.', (size_t)(end - at)) : NULL;
    const char* const label_end = dot ? dot : end;
    if (at == label_end) return false;
    number_count += is_number(at, label_end, 255);
    ++label_count;
    // What is a number only in a way is for the parser, as is punycode.
    if (is_digit(*at) && !is_number(at, label_end, 255)) return false;
    if (label_end - at >= 4 && memcmp(at, "xn--", 4) == 0) return false;
    for (; at < label_end; ++at) {
      if (!is_digit(*at) && !is_small(*at) && *at != '-') return false;
    }
    ++at;
  }
  return number_count == 0 || (number_count == 4 && label_count == 4);
}

static bool is_plain_character(char c) {
  return is_digit(c) || is_small(c) || (c >= 'A' && c <= 'Z') || (c != '\0' && strchr("-._~!$&()*+,;=:@/", c) != NULL);
}

static bool is_plain_path(const char* at, const char* end) {
  if (at == end || *at != '/') return false;
  for (; at < end && *at != '?'; ++at) {
    if (!is_plain_character(*at) || (*at == '.' && at[-1] == '/')) return false;
  }
  for (at += at < end; at < end; ++at) {
    if (!is_plain_character(*at) && *at != '?' && *at != '%') return false;
  }
  return true;
}

// () -> the URL of the request, or null where it has to be parsed to be known
static JSValue plain_url(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  (void)values;
  enum { path_part = 1, query_part = 2, size_max = 2048 };
  char url[size_max];
  memcpy(url, "http://", 7);
  char* const host = url + 7;
  char* const path = host + get_host(host);
  const int32_t path_size = host_request_get(path_part, NULL, 0);
  const int32_t query_size = host_request_get(query_part, NULL, 0);
  if (path_size <= 0 || query_size < 0 || path_size > size_max || query_size > size_max) return JS_NULL;
  if (path - url + path_size + 1 + query_size > size_max) return JS_NULL;
  host_request_get(path_part, path, (uint32_t)path_size);
  if (memchr(path, '?', (size_t)path_size)) return JS_NULL;
  char* end = path + path_size;
  if (query_size > 0) {
    *end++ = '?';
    host_request_get(query_part, end, (uint32_t)query_size);
    end += query_size;
  }
  if (!is_plain_host(host, path) || !is_plain_path(path, end)) return JS_NULL;
  return JS_NewStringLen(context, url, (size_t)(end - url));
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

// What says how the message is framed is not the function's to say, and not worth an error.
static bool is_ours(const char* name, size_t size) {
  static const char* const names[] = {"connection", "content-length", "transfer-encoding", "date", "server"};
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0) return true;
  }
  return false;
}

static int set_header(JSContext* context, JSValueConst name, JSValueConst value) {
  size_t name_size = 0;
  size_t value_size = 0;
  const char* const name_text = JS_ToCStringLen(context, &name_size, name);
  const char* const value_text = name_text ? JS_ToCStringLen(context, &value_size, value) : NULL;
  int done = -1;
  if (value_text) {
    done = host_header_set(name_text, (uint32_t)name_size, value_text, (uint32_t)value_size) == 0 ||
           is_ours(name_text, name_size);
  }
  JS_FreeCString(context, name_text);
  JS_FreeCString(context, value_text);
  return done;
}

static JSValue write_body(JSContext* context, JSValueConst body) {
  if (JS_IsNull(body)) return JS_UNDEFINED;
  if (JS_IsString(body)) {
    size_t size = 0;
    const char* const text = JS_ToCStringLen(context, &size, body);
    if (!text) return JS_EXCEPTION;
    host_output_write(text, (uint32_t)size);
    JS_FreeCString(context, text);
    return JS_UNDEFINED;
  }
  size_t offset = 0;
  size_t length = 0;
  const JSValue buffer = JS_GetTypedArrayBuffer(context, body, &offset, &length, NULL);
  if (JS_IsException(buffer)) return buffer;
  size_t size = 0;
  const uint8_t* const bytes = JS_GetArrayBuffer(context, &size, buffer);
  if (bytes && length > 0) host_output_write(bytes + offset, (uint32_t)length);
  JS_FreeValue(context, buffer);
  return JS_UNDEFINED;
}

// (status, [name, value, ...], text, typed array or null) -> the name of a header that the function may not set, or
// undefined
static JSValue write_answer(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  int32_t status = 0;
  int64_t size = 0;
  if (JS_ToInt32(context, &status, values[0]) < 0 || JS_GetLength(context, values[1], &size) < 0) return JS_EXCEPTION;
  host_status_set((uint32_t)status);
  for (uint32_t i = 0; i + 1 < (uint32_t)size; i += 2) {
    const JSValue name = JS_GetPropertyUint32(context, values[1], i);
    const JSValue value = JS_GetPropertyUint32(context, values[1], i + 1);
    const int done = set_header(context, name, value);
    JS_FreeValue(context, value);
    if (done == 0) return name;
    JS_FreeValue(context, name);
    if (done < 0) return JS_EXCEPTION;
  }
  return write_body(context, values[2]);
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
  native_add(natives, "plainUrl", plain_url, 0);
  native_add(natives, "answer", write_answer, 3);
  native_add(natives, "fetch", start_fetch, 1);
}
