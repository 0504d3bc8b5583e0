// What a function finds in its global object beside the language itself: prelude/*.js, run when the function
// is deployed, so that a call finds all of it made.

#include <string.h>

#include "engine.h"

JSValue prelude_serve;
JSValue prelude_respond;
JSValue prelude_resolve;
JSValue prelude_response;

static const char core_js[] = {
#embed "prelude/core.js" suffix(, 0)
};
static const char console_js[] = {
#embed "prelude/console.js" suffix(, 0)
};
static const char clone_js[] = {
#embed "prelude/clone.js" suffix(, 0)
};
static const char url_js[] = {
#embed "prelude/url.js" suffix(, 0)
};
static const char search_js[] = {
#embed "prelude/search.js" suffix(, 0)
};
static const char headers_js[] = {
#embed "prelude/headers.js" suffix(, 0)
};
static const char http_js[] = {
#embed "prelude/http.js" suffix(, 0)
};

static const char fetch_js[] = {
#embed "prelude/fetch.js" suffix(, 0)
};

static const char warm_js[] = {
#embed "prelude/warm.js" suffix(, 0)
};

static JSValue kept;

static void run(const char* text, const char* name, JSValueConst natives) {
  const JSValue function = JS_Eval(js, text, strlen(text), name, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT);
  if (JS_IsException(function)) engine_fail_thrown();
  const JSValue done = JS_Call(js, function, JS_UNDEFINED, 1, &natives);
  if (JS_IsException(done)) engine_fail_thrown();
  JS_FreeValue(js, done);
  JS_FreeValue(js, function);
}

static JSValue take(JSValueConst natives, const char* name) {
  const JSValue value = JS_GetPropertyStr(js, natives, name);
  if (JS_IsException(value)) engine_fail_thrown();
  return value;
}

void prelude_load(void) {
  const JSValue natives = JS_NewObject(js);
  if (JS_IsException(natives)) engine_fail_thrown();
  natives_add(natives);
  text_add_natives(natives);
  source_map_add_natives(natives);
  loop_add_natives(natives);
  header_add_natives(natives);
  request_add_natives(natives);
  run(core_js, "canopy:core", natives);
  run(console_js, "canopy:console", natives);
  run(clone_js, "canopy:clone", natives);
  run(search_js, "canopy:search", natives);
  run(url_js, "canopy:url", natives);
  run(headers_js, "canopy:headers", natives);
  run(http_js, "canopy:http", natives);
  run(fetch_js, "canopy:fetch", natives);
  run(warm_js, "canopy:warm", natives);
  prelude_serve = take(natives, "serve");
  prelude_respond = take(natives, "respond");
  prelude_resolve = take(natives, "resolve");
  prelude_response = take(natives, "Response");
  kept = take(natives, "kept");
  JS_FreeValue(js, natives);
}
