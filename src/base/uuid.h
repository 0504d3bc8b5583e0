#pragma once
// Random UUIDs, as other platforms name functions and tasks by.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace canopy {

struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const Uuid&) const = default;
};

std::string to_text(const Uuid& uuid);  // "9f1c…-…-4…-…-…", in small letters.

// 32 hexadecimal digits of either case, in groups of 8, 4, 4, 4 and 12 or without any.
std::optional<Uuid> read_uuid(std::string_view text);

// Whether that is one as to_text() writes it.
bool is_uuid_text(std::string_view text);

Uuid random_uuid();

// Those bits, but for the six that say that it is random.
Uuid as_random_uuid(std::uint64_t high, std::uint64_t low);

}  // namespace canopy
