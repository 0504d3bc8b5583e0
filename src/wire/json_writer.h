#pragma once
// Writes JSON into a string, piece by piece. Whatever bytes a text has, what comes out is valid: invalid
// UTF-8 becomes U+FFFD, control characters are escaped. Numbers that JSON does not have become null.
//
//   JsonWriter json;
//   json.begin_object();
//   json.member("name", name);
//   json.end_object();
//
// The caller closes what it opens and writes a key before each value of an object.

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace canopy::wire {

class JsonWriter {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  void key(std::string_view name);

  void value(std::string_view text);
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(const char* text) { value(std::string_view(text)); }
  void value(double number);
  void value(WallTime time);      // RFC 3339 in UTC with milliseconds; null for the epoch: it is not known.
  void value(Duration duration);  // In seconds.
  template <std::same_as<bool> Bool>
  void value(Bool flag) {
    raw(flag ? "true" : "false");
  }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  void value(Integer number) {
    char digits[24];  // 64 bits have at most 20 digits, and a sign.
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
    raw(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }
  void null() { raw("null"); }

  template <class Value>
  void member(std::string_view name, const Value& member_value) {
    key(name);
    value(member_value);
  }

  // A value that is JSON already.
  void raw(std::string_view json);

  const std::string& text() const { return text_; }
  std::string take_text() { return std::move(text_); }

 private:
  void open(char bracket);
  void close(char bracket);
  void write_comma();

  std::string text_;
  bool comma_ = false;  // Something stands before the next value or key.
};

// "2026-01-31T12:00:00.000Z"
std::string time_text(WallTime time);

// Appends `text` between quotes.
void append_json_string(std::string_view text, std::string& out);

}  // namespace canopy::wire
