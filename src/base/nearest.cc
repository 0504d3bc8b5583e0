#include "base/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace canopy {
namespace {

constexpr std::size_t size_max = 64;  // No name of ours is longer, and the cost is the square of it.

char fold(char c) {
  if (c == '_') return '-';
  return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// The number of letters to change, put in, take out or swap with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, size_max + 1>;
  Row before{};
  Row above{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) above.at(j) = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row.at(0) = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = fold(a[i - 1]) == fold(b[j - 1]);
      row.at(j) = std::min({above.at(j) + 1, row.at(j - 1) + 1, above.at(j - 1) + (same ? 0U : 1U)});
      const bool swapped =
          i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]);
      if (swapped) row.at(j) = std::min(row.at(j), before.at(j - 2) + 1);
    }
    before = above;
    above = row;
  }
  return above.at(b.size());
}

}  // namespace

std::optional<std::string_view> nearest_name(std::string_view text, std::span<const std::string_view> known) {
  if (text.empty() || text.size() > size_max) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(1, text.size() / 3) + 1;
  for (const std::string_view name : known) {
    if (name.size() > size_max) continue;
    const std::size_t found = distance(text, name);
    if (found >= best_distance || found >= name.size()) continue;
    best = name;
    best_distance = found;
  }
  return best;
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> known) {
  const auto name = nearest_name(text, known);
  return name ? "; did you mean '" + std::string(*name) + "'?" : std::string();
}

}  // namespace canopy
