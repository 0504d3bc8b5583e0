// The exports: what the host calls, in this order and once each.

#include <stdlib.h>
#include <string.h>

#include "engine.h"

JSRuntime* js_runtime;
JSContext* js;

// More than this of the guest's stack would be more than the engine's own stack has room for.
static const size_t stack_bytes = 192 * 1024;
// Garbage in cycles is looked for when this much is in use beyond the image; a short call never gets there.
static const size_t collect_after_bytes = 4 * 1024 * 1024;

void __wasm_call_ctors(void);

static void prepare(enum source_mode mode) {
  __wasm_call_ctors();
  js_runtime = JS_NewRuntime2(&memory_functions, NULL);
  js = js_runtime ? JS_NewContext(js_runtime) : NULL;
  if (!js) engine_fail(HOST_OUT_OF_MEMORY, "JavaScript itself needs more memory than the function may have");
  JS_SetMaxStackSize(js_runtime, stack_bytes);
  loop_start();
  prelude_load();
  source_load(mode);
  JS_RunGC(js_runtime);
  JSMemoryUsage usage;
  JS_ComputeMemoryUsage(js_runtime, &usage);
  JS_SetGCThreshold(js_runtime, (size_t)usage.malloc_size + collect_after_bytes);
  memory_seal();
}

HOST_EXPORT("canopy_js_run") void engine_prepare_run(void) { prepare(SOURCE_RUN); }
HOST_EXPORT("canopy_js_parse") void engine_prepare_parse(void) { prepare(SOURCE_PARSE); }

// ---- a call of a plain function

enum body_kind { BODY_JSON, BODY_LENIENT, BODY_TEXT, BODY_BYTES };

static bool has_prefix(const char* text, const char* prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

// By its Content-Type. What says nothing, or is what tools say that were told nothing, is JSON if it can be.
static enum body_kind kind_of_body(void) {
  char type[128];
  const int32_t size = host_request_header("content-type", 12, type, sizeof type - 1);
  if (size < 0) return BODY_LENIENT;
  int32_t end = size < (int32_t)sizeof type - 1 ? size : (int32_t)sizeof type - 1;
  for (int32_t i = 0; i < end; ++i) {
    if (type[i] == ';') end = i;
    if (type[i] >= 'A' && type[i] <= 'Z') type[i] = (char)(type[i] + 32);
  }
  while (end > 0 && (type[end - 1] == ' ' || type[end - 1] == '\t')) --end;
  type[end] = '\0';
  if (strcmp(type, "application/json") == 0 || (end > 5 && strcmp(type + end - 5, "+json") == 0)) return BODY_JSON;
  if (strcmp(type, "application/x-www-form-urlencoded") == 0 || end == 0) return BODY_LENIENT;
  return has_prefix(type, "text/") ? BODY_TEXT : BODY_BYTES;
}

static JSValue checked(JSValue value) {
  if (JS_IsException(value)) engine_fail_thrown();
  return value;
}

// One argument for the whole body.
static JSValue read_argument(const char* body, uint32_t size, enum body_kind kind) {
  if (kind == BODY_TEXT) return checked(JS_NewStringLen(js, body, size));
  if (kind == BODY_BYTES) return checked(JS_NewUint8ArrayCopy(js, (const uint8_t*)body, size));
  const JSValue value = JS_ParseJSON(js, body, size, "body");
  if (!JS_IsException(value)) return value;
  const JSValue reason = JS_GetException(js);
  if (kind == BODY_JSON) engine_fail_with(reason, HOST_BAD_INPUT);
  JS_FreeValue(js, reason);
  return checked(JS_NewStringLen(js, body, size));
}

static bool is_blank(const char* body, uint32_t size) {
  while (size > 0 && strchr(" \t\r\n", body[size - 1])) --size;
  return size == 0;
}

static JSValue call_plainly(void) {
  enum { count_max = 256 };
  const uint32_t size = host_input_size();
  if (size == 0) return JS_Call(js, source_handler, source_handler_this, 0, NULL);
  char* const body = js_malloc(js, (size_t)size + 1);
  if (!body) engine_fail_thrown();
  host_input_read(body, size, 0);
  body[size] = '\0';
  const enum body_kind kind = kind_of_body();
  if (kind <= BODY_LENIENT && is_blank(body, size)) {
    return JS_Call(js, source_handler, source_handler_this, 0, NULL);
  }
  JSValue argument = read_argument(body, size, kind);
  js_free(js, body);
  if (kind > BODY_LENIENT || !JS_IsArray(argument)) {
    return JS_Call(js, source_handler, source_handler_this, 1, &argument);
  }
  int64_t count = 0;
  if (JS_GetLength(js, argument, &count) < 0) engine_fail_thrown();
  if (count > count_max) engine_fail(HOST_BAD_INPUT, "the body has more than 256 arguments; send one that holds them");
  JSValue arguments[count_max];
  for (uint32_t i = 0; i < (uint32_t)count; ++i) arguments[i] = checked(JS_GetPropertyUint32(js, argument, i));
  JS_FreeValue(js, argument);
  return JS_Call(js, source_handler, source_handler_this, (int)count, arguments);
}

static void set_type(const char* type) {
  host_header_set("content-type", 12, type, (uint32_t)strlen(type));
}

static void write_string(JSValueConst text) {
  size_t size = 0;
  const char* const bytes = JS_ToCStringLen(js, &size, text);
  if (!bytes) engine_fail_thrown();
  host_output_write(bytes, (uint32_t)size);
  JS_FreeCString(js, bytes);
}

// Whether the client would rather read a string as it is than as JSON.
static bool wants_text(void) {
  char accept[256];
  const int32_t size = host_request_header("accept", 6, accept, sizeof accept - 1);
  if (size < 0) return false;
  accept[size < (int32_t)sizeof accept - 1 ? size : (int32_t)sizeof accept - 1] = '\0';
  return has_prefix(accept, "text/plain");
}

static bool write_bytes(JSValueConst value) {
  size_t size = 0;
  const uint8_t* bytes = NULL;
  JSValue buffer = JS_UNDEFINED;
  if (JS_IsArrayBuffer(value)) {
    bytes = JS_GetArrayBuffer(js, &size, value);
  } else if (JS_GetTypedArrayType(value) >= 0) {
    size_t offset = 0;
    size_t length = 0;
    buffer = checked(JS_GetTypedArrayBuffer(js, value, &offset, &length, NULL));
    bytes = JS_GetArrayBuffer(js, &size, buffer);
    if (bytes) bytes += offset;
    size = length;
  } else {
    return false;
  }
  set_type("application/octet-stream");
  if (bytes) host_output_write(bytes, (uint32_t)size);
  JS_FreeValue(js, buffer);
  return true;
}

static void write_plainly(JSValueConst value) {
  if (JS_IsUndefined(value)) return;
  if (JS_IsString(value) && wants_text()) {
    set_type("text/plain; charset=utf-8");
    return write_string(value);
  }
  if (JS_IsObject(value) && write_bytes(value)) return;
  const JSValue json = checked(JS_JSONStringify(js, value, JS_UNDEFINED, JS_UNDEFINED));
  if (JS_IsUndefined(json)) return;  // A function or a symbol.
  set_type("application/json");
  write_string(json);
}

HOST_EXPORT("canopy_handle") int32_t engine_handle(void) {
  JS_UpdateStackTop(js_runtime);
  natives_start_call();
  source_finish();
  JSValue result;
  if (source_is_web) {
    JSValue arguments[] = {source_handler, source_handler_this};
    result = JS_Call(js, prelude_serve, JS_UNDEFINED, 2, arguments);
  } else {
    result = call_plainly();
  }
  if (JS_IsException(result)) engine_fail_thrown();
  result = loop_until_settled(result);
  JSValue response[] = {result};
  const bool is_response = source_is_web || (JS_IsObject(result) && request_is_response(result));
  if (is_response) {
    const JSValue done = checked(JS_Call(js, prelude_respond, JS_UNDEFINED, 1, response));
    JS_FreeValue(js, loop_until_settled(done));
  } else {
    write_plainly(result);
  }
  loop_report_rejections();
  return 0;
}
