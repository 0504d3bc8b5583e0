#include "wire/json_writer.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>

#include "base/hex.h"
#include "base/utf8.h"

namespace canopy::wire {
namespace {

// What JSON, or a terminal, must not see as it is.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\';
}

void append_escaped(char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      append_hex(static_cast<unsigned char>(c), out);
  }
}

void append_padded(std::int64_t number, std::size_t width, std::string& out) {
  const std::string text = std::to_string(number);
  if (text.size() < width) out.append(width - text.size(), '0');
  out += text;
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    if (static_cast<unsigned char>(text.front()) < 0x80) {
      append_escaped(text.front(), out);
      text.remove_prefix(1);
      continue;
    }
    const Utf8Step step = utf8_step(text);
    out += step.valid ? text.substr(0, step.size) : std::string_view("\xEF\xBF\xBD");
    text.remove_prefix(step.size);
  }
  out += '"';
}

std::string time_text(WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<milliseconds>(time - day));
  std::string text;
  append_padded(static_cast<int>(date.year()), 4, text);
  text += '-';
  append_padded(static_cast<unsigned>(date.month()), 2, text);
  text += '-';
  append_padded(static_cast<unsigned>(date.day()), 2, text);
  text += 'T';
  append_padded(clock.hours().count(), 2, text);
  text += ':';
  append_padded(clock.minutes().count(), 2, text);
  text += ':';
  append_padded(clock.seconds().count(), 2, text);
  text += '.';
  append_padded(clock.subseconds().count(), 3, text);
  return text + 'Z';
}

void JsonWriter::key(std::string_view name) {
  write_comma();
  append_json_string(name, text_);
  text_ += ':';
  comma_ = false;
}

void JsonWriter::value(std::string_view text) {
  write_comma();
  append_json_string(text, text_);
  comma_ = true;
}

void JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  std::array<char, 32> text{};  // The shortest form that reads back the same has at most 24.
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  raw(std::string_view(text.data(), static_cast<std::size_t>(end - text.data())));
}

void JsonWriter::value(WallTime time) {
  if (time == WallTime{}) return null();
  value(time_text(time));
}

void JsonWriter::value(Duration duration) { value(static_cast<double>(duration.count()) / 1e9); }

void JsonWriter::raw(std::string_view json) {
  write_comma();
  text_ += json;
  comma_ = true;
}

void JsonWriter::open(char bracket) {
  write_comma();
  text_ += bracket;
  comma_ = false;
}

void JsonWriter::close(char bracket) {
  text_ += bracket;
  comma_ = true;
}

void JsonWriter::write_comma() {
  if (comma_) text_ += ',';
}

}  // namespace canopy::wire
