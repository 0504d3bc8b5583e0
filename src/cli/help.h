#pragma once
// What the table of verbs looks like to people: --help, and docs/cli.md.

#include <ostream>

#include "cli/verb.h"

namespace canopy::cli {

void print_overview(std::ostream& out);
void print_verb_help(const Verb& verb, std::ostream& out);
void print_cli_markdown(std::ostream& out);  // docs/cli.md, whole.

// "canopy deploy PATH|FILE [flags]"
std::string usage(const Verb& verb);

}  // namespace canopy::cli
