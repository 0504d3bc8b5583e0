// From the text of a function to its handler.
//
// Tried in order: a script whose last value is a function (`async (a, b) => a + b`), that sets module.exports,
// or that declares `handler`, `main` or one function alone; a module, whose `export default` (or `handler`,
// `main`) is it; and an expression that is no statement (`function (a, b) { ... }`). An object with a method
// `fetch` is a web handler.

#include <string.h>

#include "engine.h"

JSValue source_handler = JS_UNDEFINED;
JSValue source_handler_this = JS_UNDEFINED;
bool source_is_web = false;

static JSValue parsed = JS_UNDEFINED;  // What is still to be run.
static bool is_module = false;
static uint32_t globals_before = 0;

static char file_name[128] = "function.js";

static uint32_t collect_globals(JSPropertyEnum** names) {
  const JSValue global = JS_GetGlobalObject(js);
  uint32_t count = 0;
  if (JS_GetOwnPropertyNames(js, names, &count, global, JS_GPN_STRING_MASK) < 0) engine_fail_thrown();
  JS_FreeValue(js, global);
  return count;
}

static void free_names(JSPropertyEnum* names, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) JS_FreeAtom(js, names[i].atom);
  js_free(js, names);
}

// ---- parsing

// Takes the name that stacks are to show from the last line, `//# sourceURL=hello.js`, where it has one.
static void read_name(const char* text, size_t size) {
  static const char mark[] = "//# sourceURL=";
  static const char letters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/@+~";
  while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) --size;
  const char* line = text + size;
  while (line > text && line[-1] != '\n') --line;
  size_t length = (size_t)(text + size - line);
  if (length < sizeof mark || memcmp(line, mark, sizeof mark - 1) != 0) return;
  line += sizeof mark - 1;
  length -= sizeof mark - 1;
  if (length >= sizeof file_name) return;
  char name[sizeof file_name];
  memcpy(name, line, length);
  name[length] = '\0';
  if (strspn(name, letters) == length) memcpy(file_name, name, length + 1);
}

static JSValue parse(const char* text, size_t size, int type) {
  return JS_Eval(js, text, size, file_name, type | JS_EVAL_FLAG_COMPILE_ONLY);
}

// An exported name that is no word of a comment would do as well; this only chooses which error to show.
static bool speaks_of_modules(const char* text) {
  return strstr(text, "export") != NULL || strstr(text, "import") != NULL || strstr(text, "await") != NULL;
}

static void parse_source(const char* text, size_t size) {
  parsed = parse(text, size, JS_EVAL_TYPE_GLOBAL);
  if (!JS_IsException(parsed)) return;
  const JSValue as_script = JS_GetException(js);
  parsed = parse(text, size, JS_EVAL_TYPE_MODULE);
  is_module = !JS_IsException(parsed);
  if (is_module) return;
  const JSValue as_module = JS_GetException(js);
  char* const wrapped = js_malloc(js, size + 4);
  if (!wrapped) engine_fail_thrown();
  wrapped[0] = '(';
  memcpy(wrapped + 1, text, size);
  memcpy(wrapped + 1 + size, "\n)", 3);
  parsed = parse(wrapped, size + 3, JS_EVAL_TYPE_GLOBAL);
  js_free(js, wrapped);
  if (!JS_IsException(parsed)) return;
  engine_fail_with(speaks_of_modules(text) ? as_module : as_script, HOST_REFUSED);
}

static JSModuleDef* load_nothing(JSContext* context, const char* name, void* unused) {
  (void)unused;
  JS_ThrowReferenceError(context,
                         "cannot import '%s': a function is one file; bundle what it imports into it, as "
                         "`canopy deploy` does where esbuild is installed",
                         name);
  return NULL;
}

static char* keep_name(JSContext* context, const char* base, const char* name, void* unused) {
  (void)base;
  (void)unused;
  return js_strdup(context, name);
}

// ---- running

// The function that a value is or has; an exception where it is or has none.
static bool take_handler(JSValueConst value, int depth);

static bool take_member(JSValueConst object, const char* name, bool is_web) {
  JSValue member = JS_GetPropertyStr(js, object, name);
  if (JS_IsException(member)) engine_fail_thrown();
  if (!JS_IsFunction(js, member)) {
    JS_FreeValue(js, member);
    return false;
  }
  source_handler = member;
  source_handler_this = is_web ? JS_DupValue(js, object) : JS_UNDEFINED;
  source_is_web = is_web;
  return true;
}

static bool take_handler(JSValueConst value, int depth) {
  if (JS_IsFunction(js, value)) {
    source_handler = JS_DupValue(js, value);
    return true;
  }
  if (!JS_IsObject(value) || depth > 2) return false;
  const JSValue inner = JS_GetPropertyStr(js, value, "default");
  if (JS_IsException(inner)) engine_fail_thrown();
  const bool found = take_handler(inner, depth + 1);
  JS_FreeValue(js, inner);
  return found || take_member(value, "fetch", true) || take_member(value, "handler", false) ||
         take_member(value, "main", false);
}

static JSValue global_get(const char* name) {
  const JSValue global = JS_GetGlobalObject(js);
  const JSValue value = JS_GetPropertyStr(js, global, name);
  JS_FreeValue(js, global);
  if (JS_IsException(value)) engine_fail_thrown();
  return value;
}

static bool take_global(const char* name) {
  const JSValue value = global_get(name);
  const bool found = JS_IsFunction(js, value) && take_handler(value, 0);
  JS_FreeValue(js, value);
  return found;
}

// The script declared one function and nothing else has one.
static bool take_only_function(void) {
  JSPropertyEnum* names = NULL;
  const uint32_t count = collect_globals(&names);
  const JSValue global = JS_GetGlobalObject(js);
  JSValue only = JS_UNDEFINED;
  int found = 0;
  for (uint32_t i = globals_before; i < count; ++i) {
    const JSValue value = JS_GetProperty(js, global, names[i].atom);
    if (JS_IsFunction(js, value) && found++ == 0) {
      only = value;
    } else {
      JS_FreeValue(js, value);
    }
  }
  JS_FreeValue(js, global);
  free_names(names, count);
  return found == 1 && take_handler(only, 0);
}

static void set_module_globals(void) {
  const JSValue global = JS_GetGlobalObject(js);
  const JSValue module = JS_NewObject(js);
  const JSValue exports = JS_NewObject(js);
  const int flags = JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE;
  JS_DefinePropertyValueStr(js, module, "exports", JS_DupValue(js, exports), flags | JS_PROP_ENUMERABLE);
  JS_DefinePropertyValueStr(js, global, "module", module, flags);
  JS_DefinePropertyValueStr(js, global, "exports", exports, flags);
  JS_FreeValue(js, global);
}

static bool take_common_js(void) {
  const JSValue module = global_get("module");
  JSValue exports = JS_UNDEFINED;
  if (JS_IsObject(module)) exports = JS_GetPropertyStr(js, module, "exports");
  if (JS_IsException(exports)) engine_fail_thrown();
  const bool found = take_handler(exports, 0);
  JS_FreeValue(js, exports);
  JS_FreeValue(js, module);
  return found;
}

static void run_module(bool in_call) {
  JSModuleDef* const module = JS_VALUE_GET_PTR(parsed);
  JSValue promise = JS_EvalFunction(js, parsed);
  if (JS_IsException(promise)) engine_fail_thrown();
  if (!in_call) {
    loop_run_jobs();
    if (JS_PromiseState(js, promise) == JS_PROMISE_PENDING) {
      engine_fail(HOST_NOT_YET, "its top level awaits something");
    }
  }
  JS_FreeValue(js, loop_until_settled(promise));
  const JSValue exports = JS_GetModuleNamespace(js, module);
  if (JS_IsException(exports)) engine_fail_thrown();
  take_handler(exports, 0);
  JS_FreeValue(js, exports);
}

static void run_script(void) {
  const JSValue value = JS_EvalFunction(js, parsed);
  if (JS_IsException(value)) engine_fail_thrown();
  loop_run_jobs();
  const bool found = take_common_js() || take_handler(value, 0) || take_global("handler") || take_global("main") ||
                     take_only_function();
  (void)found;
  JS_FreeValue(js, value);
}

static void run(bool in_call) {
  if (is_module) {
    run_module(in_call);
  } else {
    run_script();
  }
  parsed = JS_UNDEFINED;
  if (JS_IsUndefined(source_handler)) {
    engine_fail(HOST_REFUSED,
                "there is no function to call in it; write `export default function (a, b) { ... }`, a function "
                "alone, or `export default { async fetch(request) { ... } }`");
  }
}

void source_load(enum source_mode mode) {
  JS_SetModuleLoaderFunc(js_runtime, keep_name, load_nothing, NULL);
  const uint32_t size = host_source_size();
  char* const text = js_malloc(js, (size_t)size + 1);
  if (!text) engine_fail_thrown();
  host_source_read(text);
  text[size] = '\0';
  set_module_globals();
  JSPropertyEnum* names = NULL;
  globals_before = collect_globals(&names);
  free_names(names, globals_before);
  source_map_read(text, size);
  read_name(text, size);
  parse_source(text, size);
  js_free(js, text);
  if (mode == SOURCE_PARSE) return;
  run(false);
  if (!loop_is_idle()) engine_fail(HOST_NOT_YET, "its top level starts timers");
}

void source_finish(void) {
  if (!JS_IsUndefined(parsed)) run(true);
}
