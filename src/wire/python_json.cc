#include "wire/python_json.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/hex.h"
#include "base/utf8.h"
#include "base/words.h"
#include "wire/json_writer.h"

namespace canopy::wire {
namespace {

constexpr std::string_view no_value = "Expecting value";
constexpr std::string_view no_key = "Expecting property name enclosed in double quotes";
constexpr std::string_view no_colon = "Expecting ':' delimiter";
constexpr std::string_view no_comma = "Expecting ',' delimiter";
constexpr std::string_view no_end = "Unterminated string starting at";
constexpr std::string_view no_unit = "Invalid \\uXXXX escape";
constexpr std::array<std::string_view, 3> words = {"null", "true", "false"};
constexpr std::array<std::string_view, 3> no_numbers = {"NaN", "Infinity", "-Infinity"};  // But for Python.
constexpr std::size_t unit_digits = 4;
constexpr std::size_t whole_digits_max = 4300;  // Python reads no longer whole numbers.

bool is_digit(char c) { return '0' <= c && c <= '9'; }
bool is_high_surrogate(char32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low_surrogate(char32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

// The four digits at the front of `text`.
std::optional<char32_t> read_unit(std::string_view text) {
  if (text.size() < unit_digits) return std::nullopt;
  char32_t unit = 0;
  for (const char c : text.substr(0, unit_digits)) {
    const auto digit = hex_value(lower(c));
    if (!digit) return std::nullopt;
    unit = unit << 4U | *digit;
  }
  return unit;
}

// What a letter behind a backslash stands for; '\0' for one that stands for nothing.
char unescaped(char c) {
  constexpr std::string_view names = "\"\\/bfnrt";
  constexpr std::string_view values = "\"\\/\b\f\n\r\t";
  const std::size_t at = names.find(c);
  return at == std::string_view::npos ? '\0' : values[at];
}

// Reads from the front, and appends what it read to `out`, as it is written again. Each function is false
// after an error.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool read_body(PythonBody& body) {
    skip_spaces();
    body.is_object = peek() == '{';
    if (!(body.is_object ? read_members(body) : read_value(0, body.other.text))) return false;
    skip_spaces();
    return at_ == text_.size() || stop("Extra data", at_);
  }

  PythonJsonError error() const {
    return {.message = message_, .position = count_characters(text_.substr(0, error_at_))};
  }

 private:
  // '\0' at the end; a NUL that is in the text may stand nowhere.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool stop(std::string_view message, std::size_t at) {
    message_ = message;
    error_at_ = at;
    return false;
  }

  void skip_spaces() { at_ = std::min(text_.find_first_not_of(" \t\n\r", at_), text_.size()); }

  bool read_value(std::size_t depth, std::string& out) {
    if (depth > python_json_depth_max) return stop({}, at_);
    if (peek() == '"') return read_string(out);
    if (peek() == '{') return read_object(depth, out);
    if (peek() == '[') return read_array(depth, out);
    const std::string_view rest = text_.substr(at_);
    for (const std::string_view word : words) {
      if (!rest.starts_with(word)) continue;
      at_ += word.size();
      out += word;
      return true;
    }
    for (const std::string_view word : no_numbers) {
      if (!rest.starts_with(word)) continue;
      at_ += word.size();
      out += "null";
      return true;
    }
    return read_number(out);
  }

  std::size_t after_digits(std::size_t from) const {
    return std::min(text_.find_first_not_of("0123456789", from), text_.size());
  }

  bool read_number(std::string& out) {
    const std::size_t begin = at_;
    const auto at = [this](std::size_t place) { return place < text_.size() ? text_[place] : '\0'; };
    std::size_t end = begin + (peek() == '-' ? 1 : 0);
    if (!is_digit(at(end))) return stop(no_value, begin);
    end = at(end) == '0' ? end + 1 : after_digits(end);
    if (at(end) == '.' && is_digit(at(end + 1))) end = after_digits(end + 1);
    if (at(end) == 'e' || at(end) == 'E') {
      const std::size_t power = end + (at(end + 1) == '+' || at(end + 1) == '-' ? 2 : 1);
      if (is_digit(at(power))) end = after_digits(power);
    }
    const std::string_view number = text_.substr(begin, end - begin);
    const bool is_whole = number.find_first_of(".eE") == std::string_view::npos;
    if (is_whole && number.size() > whole_digits_max) return stop({}, begin);
    out += number;
    at_ = end;
    return true;
  }

  bool read_string(std::string& out) {
    const std::size_t begin = at_++;
    out += '"';
    for (;;) {
      const std::size_t plain = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20) {
        ++at_;
      }
      out += text_.substr(plain, at_ - plain);
      if (at_ == text_.size()) return stop(no_end, begin);
      if (peek() == '"') break;
      if (peek() != '\\') return stop("Invalid control character at", at_);
      if (!read_escape(begin, out)) return false;
    }
    ++at_;
    out += '"';
    return true;
  }

  bool read_escape(std::size_t begin, std::string& out) {
    const std::size_t letter = at_ + 1;
    if (letter == text_.size()) return stop(no_end, begin);
    if (text_[letter] != 'u') {
      const char c = unescaped(text_[letter]);
      if (c == '\0') return stop("Invalid \\escape", at_);
      append_part({&c, 1}, out);
      at_ = letter + 1;
      return true;
    }
    const auto unit = read_unit(text_.substr(letter + 1));
    if (!unit) return stop(no_unit, letter);
    at_ = letter + 1 + unit_digits;
    char32_t point = *unit;
    if (is_high_surrogate(point) && text_.substr(at_).starts_with("\\u")) {
      const auto second = read_unit(text_.substr(at_ + 2));
      if (!second) return stop(no_unit, at_ + 1);
      if (is_low_surrogate(*second)) {
        point = 0x10000 + ((point - 0xd800) << 10U | (*second - 0xdc00));
        at_ += 2 + unit_digits;
      }
    }
    if (is_high_surrogate(point) || is_low_surrogate(point)) {  // Half a pair is no character.
      out += "\\u" + std::string(text_.substr(letter + 1, unit_digits));
      return true;
    }
    std::string character;
    append_utf8(point, character);
    append_part(character, out);
    return true;
  }

  // As it stands between quotes.
  static void append_part(std::string_view part, std::string& out) {
    std::string quoted;
    append_json_string(part, quoted);
    out.append(quoted, 1, quoted.size() - 2);
  }

  bool read_array(std::size_t depth, std::string& out) {
    ++at_;
    out += '[';
    skip_spaces();
    while (peek() != ']') {
      if (out.back() != '[') {
        if (peek() != ',') return stop(no_comma, at_);
        ++at_;
        out += ',';
        skip_spaces();
      }
      if (!read_value(depth + 1, out)) return false;
      skip_spaces();
    }
    ++at_;
    out += ']';
    return true;
  }

  // Calls `take` where a value is to be read, with its key as it is written.
  template <class Take>
  bool read_pairs(const Take& take) {
    ++at_;
    skip_spaces();
    for (bool first = true; peek() != '}'; first = false) {
      if (!first) {
        if (peek() != ',') return stop(no_comma, at_);
        ++at_;
        skip_spaces();
      }
      if (peek() != '"') return stop(no_key, at_);
      std::string key;
      if (!read_string(key)) return false;
      skip_spaces();
      if (peek() != ':') return stop(no_colon, at_);
      ++at_;
      skip_spaces();
      if (!take(key)) return false;
      skip_spaces();
    }
    ++at_;
    return true;
  }

  bool read_object(std::size_t depth, std::string& out) {
    out += '{';
    const bool good = read_pairs([this, depth, &out](const std::string& key) {
      if (out.back() != '{') out += ',';
      out += key + ':';
      return read_value(depth + 1, out);
    });
    out += '}';
    return good;
  }

  bool read_members(PythonBody& body) {
    return read_pairs([this, &body](const std::string& key) {
      PythonJson value;
      if (!read_value(1, value.text)) return false;
      const PythonJson name{key};
      body.members.emplace_back(python_string(name).value_or(key), std::move(value));
      return true;
    });
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::string_view message_;
  std::size_t error_at_ = 0;
};

}  // namespace

const PythonJson* PythonBody::find(std::string_view key) const {
  const auto found = std::ranges::find(members.rbegin(), members.rend(), key,
                                       [](const auto& member) -> std::string_view { return member.first; });
  return found == members.rend() ? nullptr : &found->second;
}

std::string PythonBody::text() const {
  if (!is_object) return other.text;
  std::string whole = "{";
  for (const auto& [key, value] : members) {
    if (whole.size() > 1) whole += ',';
    append_json_string(key, whole);
    whole += ':' + value.text;
  }
  return whole + '}';
}

tl::expected<PythonBody, PythonJsonError> read_python_json(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  if (find_invalid_utf8(text) != std::string_view::npos) return tl::unexpected(PythonJsonError{});
  PythonBody body;
  Reader reader(text);
  if (!reader.read_body(body)) return tl::unexpected(reader.error());
  return body;
}

std::optional<std::string> python_string(const PythonJson& value) {
  if (!value.is_string()) return std::nullopt;
  std::string_view rest = std::string_view(value.text).substr(1, value.text.size() - 2);
  std::string text;
  text.reserve(rest.size());
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('\\'), rest.size());
    text += rest.substr(0, plain);
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    if (rest[1] != 'u') {
      text += unescaped(rest[1]);
      rest.remove_prefix(2);
      continue;
    }
    const char32_t unit = read_unit(rest.substr(2)).value_or(0);
    if (is_high_surrogate(unit) || is_low_surrogate(unit)) return std::nullopt;
    append_utf8(unit, text);
    rest.remove_prefix(2 + unit_digits);
  }
  return text;
}

}  // namespace canopy::wire
