#include "cli/program.h"

#include <algorithm>
#include <utility>

#include "cli/help.h"
#include "cli/verb.h"
#include "wire/values.h"

namespace canopy::cli {
namespace {

int complain(const Error& error, Terminal& terminal) {
  terminal.out() << std::flush;
  const std::string_view message(error.message);
  const std::string_view shown = message.substr(0, message.find_last_not_of('\n') + 1);
  terminal.err() << "canopy: " << terminal.safe_error(shown) << '\n' << std::flush;
  return status_failed;
}

// The variables that are flags of verbs, too. The others that look alike (CANOPY_DATA) are the server's.
std::vector<std::string_view> flag_variables(const Environment& environment) {
  std::vector<std::string_view> entries;
  for (const std::string_view entry : environment.entries()) {
    if (entry.starts_with("CANOPY_URL=") && entry != "CANOPY_URL=") entries.push_back(entry);
  }
  return entries;
}

Result<void> check_arguments(const Command& command) {
  const Verb& verb = command.verb;
  const std::size_t count = command.arguments.size();
  if (count < verb.arguments_min) return fail(Code::invalid, "something is missing; write: " + usage(verb));
  if (count > verb.arguments_max) {
    // "calls shw ID" is "calls" with two arguments for who reads it word by word, and a slip for who wrote
    // it.
    if (const auto slip = slip_in_second_word(verb, command.arguments.front())) return tl::unexpected(*slip);
    return fail(Code::invalid, wire::in_quotes(command.arguments.at(verb.arguments_max)) +
                                   " is one argument too many; write: " + usage(verb));
  }
  return {};
}

// Reads the flags of `command`'s verb. True: help was asked for, and given.
Result<bool> read_flags(Command& command, Terminal& terminal) {
  const auto rows = flags_of(command.verb, command.flags);
  OptionInput input{.arguments = command.all_arguments, .environment = {}, .read_file = {}};
  if (!command.verb.reads_flags) input.environment = flag_variables(command.environment);
  CANOPY_TRY(OptionReading reading, read_options(rows, input));
  if (reading.help) {
    if (*reading.help != "markdown") {
      print_verb_help(command.verb, terminal.out());
    } else if (command.verb.reads_flags) {
      print_markdown(terminal.out());
    } else {
      print_cli_markdown(terminal.out());
    }
    return true;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool given = reading.sources[i] != OptionSource::unset;
    if (rows[i].name == "data") command.flags.has_data = given;
    if (rows[i].name == "tail") command.flags.has_tail = given;
  }
  command.arguments = std::move(reading.positional);
  return false;
}

Result<int> run_verb(Command& command, Terminal& terminal) {
  CANOPY_TRY(const bool helped, read_flags(command, terminal));
  if (helped) return 0;
  CANOPY_TRY_VOID(check_arguments(command));
  return command.verb.run(command, terminal);
}

bool asks_for_help(std::string_view word) { return word == "--help" || word == "-h"; }

}  // namespace

int run_program(const ProgramInput& input, Terminal& terminal, const Clock& clock) {
  std::vector<std::string_view> words = input.arguments;
  if (words.empty() || asks_for_help(words.front())) {
    print_overview(terminal.out());
    return 0;
  }
  if (words.front() == "--version" || words.front() == "-V") words.front() = "version";
  const auto found = find_verb(words);
  if (!found) return complain(found.error(), terminal);
  const auto after = words.begin() + static_cast<std::ptrdiff_t>(found->word_count);
  Command command{.verb = *found->verb,
                  .flags = {},
                  .arguments = {},
                  .all_arguments = {after, words.end()},
                  .environment = input.environment,
                  .version = input.version,
                  .clock = clock};
  const auto status = run_verb(command, terminal);
  if (!status) return complain(status.error(), terminal);
  terminal.out() << std::flush;
  if (terminal.out().good()) return *status;
  return complain(
      {Code::unavailable, "the output could not be written; is the disk full, or its reader gone?"},
      terminal);
}

}  // namespace canopy::cli
