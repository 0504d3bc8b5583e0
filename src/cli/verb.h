#pragma once
// One verb of the command line, and what it is given. The table of all (verbs.cc) is what --help, the
// completions and docs/cli.md are made from.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "cli/environment.h"
#include "cli/flags.h"
#include "cli/terminal.h"
#include "options/table.h"

namespace canopy::cli {

// Status of the program, besides 0. What `run` adds is in run.cc.
inline constexpr int status_failed = 1;           // One sentence on standard error says why.
inline constexpr int status_function_failed = 2;  // The platform did its part; the function failed.

struct Verb;

struct Command {
  const Verb& verb;
  Flags flags;
  std::vector<std::string> arguments;           // Those that are no flags.
  std::vector<std::string_view> all_arguments;  // All after the verb, as they were given.
  const Environment& environment;
  std::string version;  // Of the program.
  const Clock& clock;
};

struct Verb {
  std::string_view name;       // "calls show"
  std::string_view arguments;  // "ns/fn [ns/fn...]", for the help
  std::size_t arguments_min;
  std::size_t arguments_max;
  std::string_view group;   // The heading it stands under.
  std::string_view help;    // One sentence.
  std::string_view detail;  // More of them; lines are kept as they are.
  void (*add_flags)(Flags& flags, std::vector<OptionRow>& rows);
  // The program's status. An error is printed as one sentence, and the status is 1.
  Result<int> (*run)(Command& command, Terminal& terminal);
  bool reads_flags = false;  // It takes all_arguments and reads its flags itself.
};

std::span<const Verb> verbs();

// Its flags, bound to `flags`, which outlives them.
std::vector<OptionRow> flags_of(const Verb& verb, Flags& flags);

// The verb that `words` begin with, the longest that fits ("calls show" before "calls"), and how many words
// it has.
struct FoundVerb {
  const Verb* verb = nullptr;
  std::size_t word_count = 0;
};
//   invalid  there is none; the message suggests the nearest
Result<FoundVerb> find_verb(std::span<const std::string_view> words);

}  // namespace canopy::cli
