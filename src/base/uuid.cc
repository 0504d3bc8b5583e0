#include "base/uuid.h"

#include <cstddef>

#include "base/hex.h"
#include "base/id.h"
#include "base/words.h"

namespace canopy {
namespace {

constexpr std::size_t digit_count = 32;
constexpr std::size_t text_size = 36;

// Of the bits of a random one: its version, 4, and its variant.
constexpr std::uint64_t version_mask = 0xf000;
constexpr std::uint64_t version_bits = 0x4000;
constexpr unsigned variant_shift = 62;
constexpr std::uint64_t random_low = (std::uint64_t{1} << variant_shift) - 1;

bool is_hyphen_place(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

}  // namespace

std::string to_text(const Uuid& uuid) {
  std::string text;
  text.reserve(text_size);
  for (std::size_t i = 0; i < digit_count; ++i) {
    if (is_hyphen_place(text.size())) text += '-';
    const std::uint64_t half = i < digit_count / 2 ? uuid.high : uuid.low;
    text += hex_digits[half >> (60 - 4 * (i % 16)) & 15U];
  }
  return text;
}

std::optional<Uuid> read_uuid(std::string_view text) {
  const bool grouped = text.size() == text_size;
  if (!grouped && text.size() != digit_count) return std::nullopt;
  Uuid uuid;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (grouped && is_hyphen_place(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const auto digit = hex_value(lower(text[i]));
    if (!digit) return std::nullopt;
    uuid.high = uuid.high << 4U | uuid.low >> 60U;
    uuid.low = uuid.low << 4U | *digit;
  }
  return uuid;
}

bool is_uuid_text(std::string_view text) {
  if (text.size() != text_size) return false;
  const auto uuid = read_uuid(text);
  return uuid && to_text(*uuid) == text;
}

Uuid random_uuid() {
  Uuid bits;
  fill_random(&bits, sizeof bits);
  return as_random_uuid(bits.high, bits.low);
}

Uuid as_random_uuid(std::uint64_t high, std::uint64_t low) {
  return {.high = (high & ~version_mask) | version_bits,
          .low = (low & random_low) | std::uint64_t{2} << variant_shift};
}

}  // namespace canopy
