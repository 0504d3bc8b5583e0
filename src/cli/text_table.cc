#include "cli/text_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace canopy::cli {
namespace {

std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string text;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    text += cells[i];
    if (i + 1 < cells.size()) text.append(widths[i] - width(cells[i]) + 2, ' ');
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

void TextTable::add(std::vector<std::string> cells) {
  CANOPY_CHECK(cells.size() == head_.size());
  rows_.push_back(std::move(cells));
}

void TextTable::print(Terminal& terminal) const {
  std::vector<std::size_t> widths;
  widths.reserve(head_.size());
  for (const std::string& cell : head_) widths.push_back(width(cell));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  terminal.out() << terminal.faint(line(head_, widths)) << '\n';
  for (const auto& row : rows_) terminal.out() << line(row, widths) << '\n';
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace canopy::cli
