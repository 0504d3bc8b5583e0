#include "wire/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace canopy::wire {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_digit = 64;
constexpr std::size_t bytes_per_line = 57;
constexpr std::size_t group_digits = 4;

constexpr std::array<std::uint8_t, 256> digit_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

void write_group(std::string_view bytes, std::string& text) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    bits = bits << 8U | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
  }
  for (std::size_t i = 0; i < group_digits; ++i) {
    text += i <= bytes.size() ? alphabet[bits >> (18 - 6 * i) & 63U] : '=';
  }
}

}  // namespace

Result<std::string> read_base64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / group_digits * 3);
  std::uint32_t bits = 0;
  std::size_t digits = 0;  // Of the group that has begun.
  std::size_t pads = 0;    // That came after the last digit.
  for (const char c : text) {
    if (c == '=') {
      // Enough of them end the text, whatever follows; where there is nothing to pad they are nothing.
      if (digits >= 2 && digits + ++pads >= group_digits) return bytes;
      continue;
    }
    const std::uint8_t value = digit_values[static_cast<unsigned char>(c)];
    if (value == no_digit) continue;
    pads = 0;
    bits = bits << 6U | value;
    if (++digits > 1) bytes += static_cast<char>(bits >> (8 - 2 * digits) & 0xffU);
    digits %= group_digits;
  }
  if (digits == 0) return bytes;
  if (digits > 1) return fail(Code::invalid, "Incorrect padding");
  return fail(Code::invalid, "Invalid base64-encoded string: number of data characters (" +
                                 std::to_string(bytes.size() / 3 * group_digits + 1) +
                                 ") cannot be 1 more than a multiple of 4");
}

std::string write_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * group_digits + bytes.size() / bytes_per_line + 1);
  while (!bytes.empty()) {
    std::string_view line = bytes.substr(0, bytes_per_line);
    bytes.remove_prefix(line.size());
    while (!line.empty()) {
      const std::string_view group = line.substr(0, 3);
      write_group(group, text);
      line.remove_prefix(group.size());
    }
    text += '\n';
  }
  return text;
}

}  // namespace canopy::wire
