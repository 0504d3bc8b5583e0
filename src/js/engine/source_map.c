// Where something stands in the files that a bundle was made of: by the map that the bundler left in its last line.
//
// The map is kept as it came and read from its beginning for each place that is asked for, since that is rare: only
// what is shown to somebody is looked up.

#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "engine.h"

static char* mappings;
static char** files;
static uint32_t file_count;

// ---- the map

static int value_of_digit(char digit) {
  if (digit >= 'A' && digit <= 'Z') return digit - 'A';
  if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
  if (digit >= '0' && digit <= '9') return digit - '0' + 52;
  return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

// How many bytes it was; `out` has room for three of four of the text's.
static size_t decode_base64(const char* text, size_t size, char* out) {
  size_t length = 0;
  uint32_t bits = 0;
  int count = 0;
  for (size_t i = 0; i < size; ++i) {
    const int digit = value_of_digit(text[i]);
    if (digit < 0) break;
    bits = bits << 6 | (uint32_t)digit;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out[length++] = (char)(bits >> count);
    bits &= (1u << count) - 1;
  }
  return length;
}

static char* copy_of_member(JSValueConst object, const char* name, uint32_t index) {
  const JSValue value = name ? JS_GetPropertyStr(js, object, name) : JS_GetPropertyUint32(js, object, index);
  const char* const text = JS_IsString(value) ? JS_ToCString(js, value) : NULL;
  char* const copy = text ? strdup(text) : NULL;
  JS_FreeCString(js, text);
  JS_FreeValue(js, value);
  return copy;
}

static void keep(JSValueConst map) {
  enum { files_max = 100000 };
  int64_t count = 0;
  const JSValue sources = JS_GetPropertyStr(js, map, "sources");
  if (JS_IsArray(sources) && JS_GetLength(js, sources, &count) == 0 && count > 0 && count <= files_max) {
    files = calloc((size_t)count, sizeof *files);
    for (int64_t i = 0; files && i < count; ++i) files[i] = copy_of_member(sources, NULL, (uint32_t)i);
    file_count = files ? (uint32_t)count : 0;
  }
  JS_FreeValue(js, sources);
  mappings = copy_of_member(map, "mappings", 0);
}

void source_map_read(const char* text, size_t size) {
  static const char mark[] = "//# sourceMappingURL=data:application/json";
  static const char encoded[] = ";base64,";
  while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) --size;
  const char* const end = text + size;
  const char* line = end;
  while (line > text && line[-1] != '\n') --line;
  if ((size_t)(end - line) < sizeof mark || memcmp(line, mark, sizeof mark - 1) != 0) return;
  line += sizeof mark - 1;
  size_t length = (size_t)(end - line);
  char* const json = malloc(length + 1);
  if (!json) return;
  if (length > sizeof encoded && memcmp(line, encoded, sizeof encoded - 1) == 0) {
    length = decode_base64(line + sizeof encoded - 1, length - (sizeof encoded - 1), json);
  } else {
    memcpy(json, line + 1, --length);  // As it is, behind a comma.
  }
  json[length] = '\0';
  const JSValue map = JS_ParseJSON(js, json, length, "the source map");
  free(json);
  if (JS_IsObject(map)) keep(map);
  JS_FreeValue(js, map);
  JS_FreeValue(js, JS_GetException(js));  // A map that is none is no error of the function's.
}

// ---- looking up

// The next number of a segment; false at its end.
static bool next_number(const char** at, int64_t* value) {
  uint64_t bits = 0;
  for (unsigned shift = 0; shift < 60; shift += 5) {
    const int digit = value_of_digit(**at);
    if (digit < 0) return false;
    ++*at;
    bits |= (uint64_t)(digit & 31) << shift;
    if (digit & 32) continue;
    *value = bits & 1 ? -(int64_t)(bits >> 1) : (int64_t)(bits >> 1);
    return true;
  }
  return false;
}

// Where line and column, both from 1, came from. False where the map does not say.
static bool look_up(int64_t line, int64_t column, const char** file, int64_t* file_line, int64_t* file_column) {
  int64_t seen_line = 1;
  int64_t place[4] = {0};  // Column here; file, line and column there.
  bool found = false;
  for (const char* at = mappings; at && *at && seen_line <= line;) {
    if (*at == ';') {
      ++seen_line;
      place[0] = 0;
      ++at;
      continue;
    }
    int64_t number = 0;
    int count = 0;
    while (next_number(&at, &number)) {
      if (count < 4) place[count] = (int64_t)((uint64_t)place[count] + (uint64_t)number);
      ++count;
    }
    if (seen_line == line && count >= 4 && place[0] < column && place[1] >= 0 && place[1] < file_count) {
      found = files[place[1]] != NULL;
      *file = files[place[1]];
      *file_line = place[2] + 1;
      *file_column = place[3] + 1;
    }
    if (*at && *at != ';') ++at;  // The comma, or what does not belong here.
  }
  return found;
}

static const char* read_count(const char* at, const char* end, int64_t* value) {
  const char* const begin = at;
  for (*value = 0; at < end && *at >= '0' && *at <= '9' && at - begin < 9; ++at) *value = *value * 10 + (*at - '0');
  return at == begin ? NULL : at;
}

static void add_count(int64_t value, source_map_add* add) {
  char digits[24];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  add(digits + at, sizeof digits - at);
}

void source_map_show(const char* text, size_t size, source_map_add* add) {
  static const char bundle[] = "function.js:";
  const char* const end = text + size;
  while (mappings && text < end) {
    const char* at = memmem(text, (size_t)(end - text), bundle, sizeof bundle - 1);
    if (!at) break;
    int64_t line = 0;
    int64_t column = 0;
    const char* after = read_count(at + sizeof bundle - 1, end, &line);
    if (after && after < end && *after == ':') after = read_count(after + 1, end, &column);
    const char* file = NULL;
    if (!after || column == 0 || !look_up(line, column, &file, &line, &column)) {
      after = at + sizeof bundle - 1;
      add(text, (size_t)(after - text));
    } else {
      add(text, (size_t)(at - text));
      add(file, strlen(file));
      add(":", 1);
      add_count(line, add);
      add(":", 1);
      add_count(column, add);
    }
    text = after;
  }
  add(text, (size_t)(end - text));
}

// ---- for the log

enum { shown_bytes_max = 16 * 1024 };
static char shown[shown_bytes_max];
static size_t shown_size;

static void add_shown(const char* bytes, size_t size) {
  const size_t room = shown_bytes_max - shown_size;
  memcpy(shown + shown_size, bytes, size < room ? size : room);
  shown_size += size < room ? size : room;
}

// (line of a stack) -> the same, in the lines of the files
static JSValue show_line(JSContext* context, JSValueConst self, int count, JSValueConst* values) {
  (void)self;
  (void)count;
  size_t size = 0;
  const char* const text = JS_ToCStringLen(context, &size, values[0]);
  if (!text) return JS_EXCEPTION;
  shown_size = 0;
  source_map_show(text, size, add_shown);
  JS_FreeCString(context, text);
  return JS_NewStringLen(context, shown, shown_size);
}

void source_map_add_natives(JSValueConst natives) { native_add(natives, "ownLines", show_line, 1); }
