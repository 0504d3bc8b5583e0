#include "cli/help.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/nearest.h"

namespace canopy::cli {
namespace {

constexpr std::string_view environment_help =
    "CANOPY_URL is the server that verbs talk to (http://127.0.0.1:8080), CANOPY_KEY the key they show it, "
    "NO_COLOR turns\ncolours off. Exit status: 0, or 1 with one sentence on standard error; invoke, calls "
    "wait and calls result:\n2 where the function failed; run: see canopy help run.\n";

std::string flag_text(const OptionRow& row) {
  std::string text = row.letter == '\0' ? "" : "-" + std::string(1, row.letter) + ", ";
  text += "--" + std::string(row.name);
  if (!std::holds_alternative<bool*>(row.setting)) text += "=" + std::string(row.value);
  return text;
}

std::string default_text(const OptionRow& row) {
  const std::string value = show_setting(row);
  // 0 stands for what was not said.
  return value == "false" || value == "0" || value == "0s" || value == "0B" ? "" : value;
}

}  // namespace

std::string usage(const Verb& verb) {
  Flags flags;
  const std::string flag_part = flags_of(verb, flags).empty() ? "" : " [flags]";
  const std::string arguments = verb.arguments.empty() ? "" : " " + std::string(verb.arguments);
  // What follows "--" is the module's, flags included.
  const std::size_t rest = std::min(arguments.find(" [-- "), arguments.size());
  return "canopy " + std::string(verb.name) + arguments.substr(0, rest) + flag_part + arguments.substr(rest);
}

void print_overview(std::ostream& out) {
  out << "Canopy runs functions behind one address, each call in an instance of its own.\n";
  std::string_view group;
  std::size_t widest = 0;
  for (const Verb& verb : verbs()) widest = std::max(widest, verb.name.size());
  for (const Verb& verb : verbs()) {
    if (verb.group != group) out << '\n' << verb.group << ":\n";
    group = verb.group;
    out << "  " << verb.name << std::string(widest - verb.name.size() + 2, ' ') << verb.help << '\n';
  }
  out << "\ncanopy help VERB says more about one.\n" << environment_help;
}

void print_verb_help(const Verb& verb, std::ostream& out) {
  out << usage(verb) << "\n\n" << verb.help << '\n';
  if (!verb.detail.empty()) out << '\n' << verb.detail << '\n';
  Flags flags;
  const auto rows = flags_of(verb, flags);
  if (rows.empty()) return;
  out << '\n';
  if (verb.reads_flags) {
    print_help(rows, out);
    return;
  }
  out << "Flags:\n";
  std::size_t widest = 0;
  for (const OptionRow& row : rows) widest = std::max(widest, flag_text(row).size());
  for (const OptionRow& row : rows) {
    const std::string flag = flag_text(row);
    const std::string value = default_text(row);
    out << "  " << flag << std::string(widest - flag.size() + 2, ' ') << row.help;
    if (!value.empty()) out << " (" << value << ")";
    out << '\n';
  }
}

void print_cli_markdown(std::ostream& out) {
  out << "# The command line\n\nMade from the table in `src/cli/verbs.cc` by `canopy help "
         "--help=markdown`.\n\n"
      << environment_help;
  std::string_view group;
  for (const Verb& verb : verbs()) {
    if (verb.group != group) out << "\n## " << verb.group << '\n';
    group = verb.group;
    out << "\n### canopy " << verb.name << "\n\n    " << usage(verb) << "\n\n" << verb.help << '\n';
    if (!verb.detail.empty()) out << "\n```text\n" << verb.detail << "\n```\n";
    if (verb.reads_flags) {
      out << "\nIts flags are the settings of [options.md](options.md).\n";
      continue;
    }
    Flags flags;
    const auto rows = flags_of(verb, flags);
    if (rows.empty()) continue;
    out << "\n| flag | default | meaning |\n| --- | --- | --- |\n";
    for (const OptionRow& row : rows) {
      const std::string value = default_text(row);
      out << "| `" << flag_text(row) << "` | " << (value.empty() ? "" : "`" + value + "`") << " | "
          << row.help << " |\n";
    }
  }
}

std::optional<Error> slip_in_second_word(const Verb& verb, std::string_view word) {
  std::vector<std::string_view> known;
  for (const Verb& other : verbs()) {
    const std::size_t size = verb.name.size();
    if (other.name.size() > size && other.name.starts_with(verb.name) && other.name[size] == ' ') {
      known.push_back(other.name.substr(size + 1));
    }
  }
  const std::string near = did_you_mean(word, known);
  if (near.empty()) return std::nullopt;
  return Error{Code::invalid,
               "there is no canopy " + std::string(verb.name) + " " + std::string(word) + near};
}

}  // namespace canopy::cli
