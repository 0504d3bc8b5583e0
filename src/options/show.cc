// What a table of settings looks like to people: values, help, documentation.

#include <ostream>

#include "base/units.h"
#include "options/store_address.h"
#include "options/table.h"

namespace canopy {
namespace {

struct Shower {
  std::string operator()(const std::string* text) const { return *text; }
  std::string operator()(const bool* flag) const { return *flag ? "true" : "false"; }
  std::string operator()(const SizeSetting& size) const { return size_text(*size.bytes); }
  std::string operator()(const CountSetting& count) const { return std::to_string(*count.count); }
  std::string operator()(const DurationSetting& duration) const { return duration_text(*duration.duration); }
  std::string operator()(const ChoiceSetting& choice) const { return *choice.text; }
  std::string operator()(const std::vector<std::string>* list) const {
    std::string text;
    for (const std::string& item : *list) text += (text.empty() ? "" : ", ") + item;
    return text;
  }
};

std::string flag_of(const OptionRow& row) {
  std::string text = "--" + std::string(row.name);
  if (!std::holds_alternative<bool*>(row.setting)) text += "=" + std::string(row.value);
  return text;
}

// Breaks `text` at spaces into lines of at most `width` behind an indent.
void print_wrapped(std::string_view text, std::string_view indent, std::size_t width, std::ostream& out) {
  while (!text.empty()) {
    std::size_t size = text.size();
    if (size > width) {
      const std::size_t space = text.rfind(' ', width);
      size = space == std::string_view::npos || space == 0 ? width : space;
    }
    out << indent << text.substr(0, size) << '\n';
    text.remove_prefix(size);
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
}

}  // namespace

std::string show_setting(const OptionRow& row) {
  const std::string text = std::visit(Shower(), row.setting);
  return row.hides_password ? without_password(text) : text;
}

std::string variable_name(std::string_view option) {
  std::string name = "CANOPY_";
  for (const char c : option) {
    const bool is_lower = 'a' <= c && c <= 'z';
    name += c == '-' ? '_' : is_lower ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

void print_help(std::span<const OptionRow> rows, std::ostream& out) {
  std::string_view group;
  for (const OptionRow& row : rows) {
    if (row.group != group) out << (group.empty() ? "" : "\n") << row.group << ":\n";
    group = row.group;
    out << "  " << flag_of(row);
    if (row.letter != '\0') out << ", -" << row.letter;
    const std::string value = show_setting(row);
    if (!value.empty() && value != "false") out << "   (" << value << ")";
    out << '\n';
    print_wrapped(row.help, "      ", 90, out);
  }
}

void print_markdown(std::span<const OptionRow> rows, std::ostream& out) {
  std::string_view group;
  for (const OptionRow& row : rows) {
    if (row.group != group) {
      out << "\n## " << row.group
          << "\n\n| flag | variable | default | meaning |\n| --- | --- | --- | --- |\n";
    }
    group = row.group;
    const std::string value = show_setting(row);
    out << "| `" << flag_of(row) << "` | `" << variable_name(row.name) << "` | ";
    if (!value.empty()) out << '`' << value << '`';
    out << " | " << row.help << " |\n";
  }
}

}  // namespace canopy
