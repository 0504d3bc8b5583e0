#include "wire/percent.h"

#include <algorithm>

#include "base/log.h"

namespace canopy::wire {
namespace {

constexpr std::string_view digits = "0123456789ABCDEF";

int hex_value(char c) {
  if ('0' <= c && c <= '9') return c - '0';
  if ('a' <= c && c <= 'f') return c - 'a' + 10;
  if ('A' <= c && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}

// A parameter's name or value: as in HTML forms, '+' is a space.
Result<std::string> form_decode(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return percent_decode(spaced);
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return fail(Code::invalid, "'" + log_safe(text.substr(i, 3)) + "' in '" + log_safe(text, 80) +
                                     "' is not an escape: write %25 for a percent sign");
    }
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

std::string percent_encode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      result += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    result += '%';
    result += digits[byte >> 4U];
    result += digits[byte & 15U];
  }
  return result;
}

Result<std::optional<std::string>> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view parameter = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const std::size_t equals = parameter.find('=');
    // A name with a bad escape is not the one that is looked for.
    const auto found = form_decode(parameter.substr(0, equals));
    if (!found || *found != name) continue;
    if (equals == std::string_view::npos) return std::optional(std::string());
    auto value = form_decode(parameter.substr(equals + 1));
    if (!value) return fail(Code::invalid, "query parameter " + *found + ": " + value.error().message);
    return std::optional(*std::move(value));
  }
  return std::nullopt;
}

}  // namespace canopy::wire
