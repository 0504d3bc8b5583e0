#include "builders/uuid.h"

#include <array>
#include <cstddef>

#include "base/hex.h"
#include "base/utf8.h"
#include "base/words.h"

namespace canopy::builders {
namespace {

constexpr std::size_t digit_count = 32;
constexpr std::size_t text_size = 36;
constexpr std::size_t group_count = 5;
constexpr std::array<std::size_t, group_count> group_sizes = {8, 4, 4, 4, 12};
constexpr std::array<std::size_t, group_count> group_begins = {0, 9, 14, 19, 24};
constexpr std::string_view urn = "urn:uuid:";

// Of the bits of a random one: its version, 4, and its variant.
constexpr std::uint64_t version_mask = 0xf000;
constexpr std::uint64_t version_bits = 0x4000;
constexpr unsigned variant_shift = 62;
constexpr std::uint64_t random_low = (std::uint64_t{1} << variant_shift) - 1;

Uuid as_random(std::uint64_t high, std::uint64_t low) {
  return {.high = (high & ~version_mask) | version_bits,
          .low = (low & random_low) | std::uint64_t{2} << variant_shift};
}

bool is_hyphen_place(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

// Nothing where those are not the digits of one.
std::optional<Uuid> read_digits(std::string_view text, bool grouped) {
  if (text.size() != (grouped ? text_size : digit_count)) return std::nullopt;
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

std::string group_error(std::size_t group, std::size_t size) {
  return "invalid group length in group " + std::to_string(group) + ": expected " +
         std::to_string(group_sizes.at(group)) + ", found " + std::to_string(size);
}

// What is wrong with `whole`, of which `text` is what should be the id.
std::string explain(std::string_view whole, std::string_view text) {
  const std::size_t before = text.empty() ? 0 : static_cast<std::size_t>(text.data() - whole.data());
  const bool bare = text.size() == whole.size();
  std::size_t hyphens = 0;
  std::array<std::size_t, group_count - 1> places{};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') {
      if (hyphens < places.size()) places.at(hyphens) = i;
      ++hyphens;
    } else if (!hex_value(lower(text[i]))) {
      const std::string character(text.substr(i, utf8_step(text.substr(i)).size));
      return "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found "
             "`" +
             character + "` at " + std::to_string(before + i + 1);
    }
  }
  if (hyphens == 0 && bare) {
    return "invalid length: expected length 32 for simple format, found " + std::to_string(whole.size());
  }
  if (hyphens != places.size()) {
    return "invalid group count: expected 5, found " + std::to_string(hyphens + 1);
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::size_t size = places.at(i) - group_begins.at(i);
    if (size != group_sizes.at(i)) return group_error(i, size);
  }
  return group_error(group_count - 1, whole.size() - group_begins.back());
}

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

tl::expected<Uuid, std::string> parse_uuid(std::string_view text) {
  std::string_view inside = text;
  if (inside.size() > 1 && inside.starts_with('{') && inside.ends_with('}')) {
    inside = inside.substr(1, inside.size() - 2);
  } else if (inside.starts_with(urn)) {
    inside.remove_prefix(urn.size());
  }
  const bool bare = inside.size() == text.size();
  if (const auto uuid = read_digits(inside, true)) return *uuid;
  if (const auto uuid = bare ? read_digits(inside, false) : std::nullopt) return *uuid;
  return tl::unexpected(explain(text, inside));
}

bool is_uuid_text(std::string_view text) {
  const auto uuid = read_digits(text, true);
  return uuid && to_text(*uuid) == text;
}

Uuid random_uuid() {
  Uuid bits;
  fill_random(&bits, sizeof bits);
  return as_random(bits.high, bits.low);
}

// In the order of their digits: the lower half of the id's high word, its low word around the fixed bits, and
// 26 bits more of the high word. The six that are left out the log knows.
Uuid task_uuid(CallId id) {
  constexpr std::uint64_t more_mask = (std::uint64_t{1} << 26U) - 1;
  const std::uint64_t high = id.high << 32U | (id.low >> 48U) << 16U | (id.low >> 36U & 0xfffU);
  const std::uint64_t low = (id.low & ((std::uint64_t{1} << 36U) - 1)) << 26U | (id.high >> 32U & more_mask);
  return as_random(high, low);
}

std::optional<CallId> find_call_id(const store::CallLog& log, const Uuid& task) {
  const std::uint64_t low =
      (task.high >> 16U & 0xffffU) << 48U | (task.high & 0xfffU) << 36U | ((task.low & random_low) >> 26U);
  const auto id = log.restore({.high = static_cast<std::uint32_t>(task.high >> 32U), .low = low});
  if (!id || task_uuid(*id) != task) return std::nullopt;
  return id;
}

}  // namespace canopy::builders
