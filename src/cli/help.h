#pragma once
// What the table of verbs looks like to people: --help, and docs/cli.md.

#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "cli/verb.h"

namespace canopy::cli {

void print_overview(std::ostream& out);
void print_verb_help(const Verb& verb, std::ostream& out);
void print_cli_markdown(std::ostream& out);  // docs/cli.md, whole.

// "canopy deploy PATH|FILE [flags]"
std::string usage(const Verb& verb);

// What is wrong with `word` behind `verb` where it is almost one of those that make a verb of two words with
// it, as "shw" behind "calls" is.
std::optional<Error> slip_in_second_word(const Verb& verb, std::string_view word);

}  // namespace canopy::cli
