#include "mucpd/job_id.h"

#include "base/hex.h"

namespace canopy::mucpd {
namespace {

constexpr std::size_t text_size = 24;
constexpr std::size_t high_size = 8;
constexpr std::size_t utf16_unit_count = 12;

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  for (char c : text) {
    if ('A' <= c && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    const auto digit = hex_value(c);
    if (!digit) return std::nullopt;
    value = value << 4U | *digit;
  }
  return value;
}

// What JavaScript calls the length of a text: characters beyond U+FFFF are two.
std::size_t count_utf16_units(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0U) != 0x80U) ++count;
    if (byte >= 0xF0U) ++count;
  }
  return count;
}

}  // namespace

std::string job_text(store::ShortId id) {
  std::string text;
  text.reserve(text_size);
  for (int shift = 28; shift >= 0; shift -= 4) text += hex_digits[id.high >> shift & 15U];
  for (int shift = 60; shift >= 0; shift -= 4) text += hex_digits[id.low >> shift & 15U];
  return text;
}

std::optional<store::ShortId> parse_job_id(std::string_view text) {
  if (text.size() != text_size) return std::nullopt;
  const auto high = parse_hex(text.substr(0, high_size));
  const auto low = parse_hex(text.substr(high_size));
  if (!high || !low) return std::nullopt;
  return store::ShortId{.high = static_cast<std::uint32_t>(*high), .low = *low};
}

bool is_object_id(std::string_view text) {
  return parse_job_id(text).has_value() || count_utf16_units(text) == utf16_unit_count;
}

}  // namespace canopy::mucpd
