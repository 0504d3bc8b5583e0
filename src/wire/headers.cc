#include "wire/headers.h"

#include <algorithm>

#include "base/hex.h"
#include "wire/values.h"

namespace canopy::wire {
namespace {

constexpr std::string_view spaces = " \t";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

// Reads the lower-case hexadecimal digits at the front of `text` into `out`, and takes them off.
template <std::size_t N>
bool take_hex(std::string_view& text, std::array<std::uint8_t, N>& out) {
  if (text.size() < 2 * N) return false;
  for (std::size_t i = 0; i < N; ++i) {
    const auto high = hex_value(text[2 * i]);
    const auto low = hex_value(text[2 * i + 1]);
    if (!high || !low) return false;
    out.at(i) = static_cast<std::uint8_t>(*high * 16 + *low);
  }
  text.remove_prefix(2 * N);
  return true;
}

bool take_dash(std::string_view& text) {
  if (!text.starts_with('-')) return false;
  text.remove_prefix(1);
  return true;
}

template <std::size_t N>
bool all_zero(const std::array<std::uint8_t, N>& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

// A quoted string without its opening quote; takes it off `text`. A backslash stands for itself unless it
// hides a quote or another: browsers send file names such as C:\x unescaped.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return value;
    }
    const bool hides = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    if (hides) ++i;
    value += text[i];
  }
  return std::nullopt;
}

}  // namespace

Result<Duration> parse_timeout(std::string_view value) {
  const std::string_view text = trim(value);
  const bool plain = !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
  const std::string with_unit = plain ? std::string(text.substr(0, 40)) + "s" : std::string(text);
  auto duration = read_duration(with_unit, {.min = Duration(1), .max = std::chrono::hours(1)});
  if (!duration) return fail(Code::invalid, "X-Canopy-Timeout: " + duration.error().message);
  return duration;
}

Result<std::uint32_t> parse_retry(std::string_view value) {
  const auto count = read_count(trim(value), {.min = 0, .max = 100});
  if (!count) return fail(Code::invalid, "X-Canopy-Retry: " + count.error().message);
  return static_cast<std::uint32_t>(*count);
}

Result<std::string> parse_idempotency_key(std::string_view value) {
  const std::string_view text = trim(value);
  const bool visible = std::ranges::all_of(text, [](char c) { return '!' <= c && c <= '~'; });
  if (text.empty() || text.size() > 255 || !visible) {
    return fail(Code::invalid, "Idempotency-Key: " + in_quotes(text) +
                                   " is not a key: use 1 to 255 visible ASCII characters");
  }
  return std::string(text);
}

std::optional<TraceParent> parse_traceparent(std::string_view value) {
  std::string_view text = trim(value);
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  TraceParent trace;
  const bool good = take_hex(text, version) && take_dash(text) && take_hex(text, trace.trace_id) &&
                    take_dash(text) && take_hex(text, trace.parent_id) && take_dash(text) &&
                    take_hex(text, flags);
  if (!good || version[0] == 0xFF || all_zero(trace.trace_id) || all_zero(trace.parent_id))
    return std::nullopt;
  // A later version may say more behind another dash.
  if (!text.empty() && (version[0] == 0 || !text.starts_with('-'))) return std::nullopt;
  trace.sampled = (flags[0] & 1U) != 0;
  return trace;
}

std::string media_type(std::string_view content_type) {
  std::string type(trim(content_type.substr(0, content_type.find(';'))));
  std::ranges::transform(type, type.begin(), lower);
  return type;
}

std::optional<std::string> header_parameter(std::string_view value, std::string_view name) {
  const std::size_t first = value.find(';');
  if (first == std::string_view::npos) return std::nullopt;
  std::string_view rest = value.substr(first);
  while (rest.starts_with(';')) {
    rest = trim(rest.substr(1));
    const std::size_t equals = rest.find_first_of("=;");
    if (equals == std::string_view::npos) return std::nullopt;
    if (rest[equals] == ';') {  // A word without a value, or nothing at all.
      rest = rest.substr(equals);
      continue;
    }
    const std::string_view found = trim(rest.substr(0, equals));
    rest = trim(rest.substr(equals + 1));
    std::optional<std::string> text;
    if (rest.starts_with('"')) {
      rest.remove_prefix(1);
      text = take_quoted(rest);
      if (!text) return std::nullopt;
      rest = trim(rest);
    } else {
      const std::size_t end = rest.find(';');
      text = std::string(trim(rest.substr(0, end)));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    }
    if (same_word(found, name)) return text;
  }
  return std::nullopt;
}

}  // namespace canopy::wire
