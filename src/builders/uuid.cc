#include "builders/uuid.h"

#include <array>
#include <cstddef>

#include "base/hex.h"
#include "base/utf8.h"
#include "base/words.h"

namespace canopy::builders {
namespace {

constexpr std::size_t digit_count = 32;
constexpr std::size_t group_count = 5;
constexpr std::array<std::size_t, group_count> group_sizes = {8, 4, 4, 4, 12};
constexpr std::array<std::size_t, group_count> group_begins = {0, 9, 14, 19, 24};
constexpr std::string_view urn = "urn:uuid:";

// The bits of a random one that follow those of its variant.
constexpr unsigned variant_shift = 62;
constexpr std::uint64_t random_low = (std::uint64_t{1} << variant_shift) - 1;

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

tl::expected<Uuid, std::string> parse_uuid(std::string_view text) {
  std::string_view inside = text;
  if (inside.size() > 1 && inside.starts_with('{') && inside.ends_with('}')) {
    inside = inside.substr(1, inside.size() - 2);
  } else if (inside.starts_with(urn)) {
    inside.remove_prefix(urn.size());
  }
  const bool bare = inside.size() == text.size();
  // Without groups it stands alone.
  const auto uuid = bare || inside.size() != digit_count ? read_uuid(inside) : std::nullopt;
  if (uuid) return *uuid;
  return tl::unexpected(explain(text, inside));
}

// In the order of their digits: the lower half of the id's high word, its low word around the fixed bits, and
// 26 bits more of the high word. The six that are left out the log knows.
Uuid task_uuid(CallId id) {
  constexpr std::uint64_t more_mask = (std::uint64_t{1} << 26U) - 1;
  const std::uint64_t high = id.high << 32U | (id.low >> 48U) << 16U | (id.low >> 36U & 0xfffU);
  const std::uint64_t low = (id.low & ((std::uint64_t{1} << 36U) - 1)) << 26U | (id.high >> 32U & more_mask);
  return as_random_uuid(high, low);
}

std::optional<CallId> find_call_id(const store::CallLog& log, const Uuid& task) {
  const std::uint64_t low =
      (task.high >> 16U & 0xffffU) << 48U | (task.high & 0xfffU) << 36U | ((task.low & random_low) >> 26U);
  const auto id = log.restore({.high = static_cast<std::uint32_t>(task.high >> 32U), .low = low});
  if (!id || task_uuid(*id) != task) return std::nullopt;
  return id;
}

}  // namespace canopy::builders
