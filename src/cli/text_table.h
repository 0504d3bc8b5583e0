#pragma once
// Columns that line up, for people.

#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal.h"

namespace canopy::cli {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> head) : head_(std::move(head)) {}

  // As many cells as the head has.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // The head in faint, then the rows; two blanks between columns, none at a line's end.
  void print(Terminal& terminal) const;

 private:
  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

// How many columns `text` takes: its characters, not its bytes.
std::size_t width(std::string_view text);

}  // namespace canopy::cli
