// Names and values of headers.

#include <string.h>

#include "engine.h"

static bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token_text(const char* text, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (!is_token_character(text[i])) return false;
  }
  return size > 0;
}

// (text) -> whether it can be the name of a header or of a method
static JSValue is_token(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t size = 0;
  const char* const text = JS_ToCStringLen(context, &size, values[0]);
  if (!text) return JS_EXCEPTION;
  const bool is = is_token_text(text, size);
  JS_FreeCString(context, text);
  return JS_NewBool(context, is);
}

// (name) -> the name in small letters
static JSValue header_name(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t size = 0;
  const char* const text = JS_ToCStringLen(context, &size, values[0]);
  if (!text) return JS_EXCEPTION;
  JSValue name = JS_EXCEPTION;
  char small[256];
  if (!is_token_text(text, size) || size > sizeof small) {
    JS_ThrowTypeError(context, "'%.80s' is not the name of a header", text);
  } else {
    bool is_small = true;
    for (size_t i = 0; i < size; ++i) {
      const bool is_large = text[i] >= 'A' && text[i] <= 'Z';
      small[i] = (char)(text[i] + (is_large ? 32 : 0));
      is_small = is_small && !is_large;
    }
    name = is_small && JS_IsString(values[0]) ? JS_DupValue(context, values[0])
                                              : JS_NewStringLen(context, small, size);
  }
  JS_FreeCString(context, text);
  return name;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// (value, name) -> the value without white space around it
static JSValue header_value(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t size = 0;
  const char* const text = JS_ToCStringLen(context, &size, values[0]);
  if (!text) return JS_EXCEPTION;
  const char* begin = text;
  const char* end = text + size;
  while (begin < end && is_space(*begin)) ++begin;
  while (begin < end && is_space(end[-1])) --end;
  const size_t left = (size_t)(end - begin);
  JSValue value = JS_EXCEPTION;
  if (memchr(begin, '\0', left) || memchr(begin, '\n', left) || memchr(begin, '\r', left)) {
    const char* const name = JS_ToCString(context, values[1]);
    if (name) JS_ThrowTypeError(context, "the value of the header '%s' holds a line end or NUL", name);
    JS_FreeCString(context, name);
  } else if (left == size && JS_IsString(values[0])) {
    value = JS_DupValue(context, values[0]);
  } else {
    value = JS_NewStringLen(context, begin, left);
  }
  JS_FreeCString(context, text);
  return value;
}

void header_add_natives(JSValueConst natives) {
  native_add(natives, "isToken", is_token, 1);
  native_add(natives, "headerName", header_name, 1);
  native_add(natives, "headerValue", header_value, 2);
}
