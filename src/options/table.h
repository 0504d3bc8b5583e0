#pragma once
// A table of settings, from which flags, variables, a file, the help and the documentation all come, so that
// they cannot disagree. The server's settings are one such table (options.h); each verb of the command line
// that takes flags has another.
//
//   flag         --some-thing=value, --some-thing for yes, or -s value where a row has a letter
//   variable     CANOPY_SOME_THING
//   file         some-thing: value, in the YAML file that --config names
//   default      what the struct holds before
//
// The earlier wins over the later. What nobody knows is an error that suggests the nearest name.

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace canopy {

struct SizeSetting {  // "64MiB"
  std::uint64_t* bytes;
  std::uint64_t min = 0;
  std::uint64_t max = std::uint64_t{1} << 62U;
};

struct CountSetting {  // "1000"
  std::uint64_t* count;
  std::uint64_t min = 0;
  std::uint64_t max = 1'000'000'000;
};

struct DurationSetting {  // "250ms"
  Duration* duration;
  Duration min = Duration(0);
  Duration max = std::chrono::hours(24 * 366);
};

struct ChoiceSetting {  // One of these words.
  std::string* text;
  std::span<const std::string_view> choices;
};

using Setting = std::variant<std::string*, bool*, SizeSetting, CountSetting, DurationSetting, ChoiceSetting,
                             std::vector<std::string>*>;  // A list grows with each time its flag is given.

// One setting, bound to the struct that it is read into.
struct OptionRow {
  std::string_view name;   // "call-timeout"
  std::string_view value;  // What stands for its value in the help: "DURATION".
  Setting setting;
  std::string_view help;        // A sentence.
  std::string_view group;       // The heading it stands under.
  char letter = '\0';           // 'd' for -d; '\0' for none.
  bool hides_password = false;  // It is a URL, and nobody is shown the password in it.
};

enum class OptionSource : std::uint8_t { unset, file, variable, flag };

// Where settings are read from. Nothing is read from a source that is left empty.
struct OptionInput {
  std::vector<std::string_view> arguments;    // Those after the verb.
  std::vector<std::string_view> environment;  // "NAME=value", all there are.
  // Reads the file that --config names, if the table has a row `config`.
  std::function<Result<std::string>(const std::string& path)> read_file;
};

struct OptionReading {
  std::vector<OptionSource> sources;    // By row.
  std::vector<std::string> origins;     // By row: "--listen", "CANOPY_LISTEN", "canopy.yaml:3:9", or "".
  std::vector<std::string> warnings;    // Sentences, about variables that look like ours and are not.
  std::vector<std::string> positional;  // Arguments that are no flags, and all after "--".
  std::optional<std::string> help;      // Help was asked for: --help, -h ("") or --help=markdown.
};

// Reads all sources into the structs that `rows` are bound to.
//   invalid     an unknown flag or key; a value that is none, or out of its range; a flag without its value
//   (others)    as read_file says
Result<OptionReading> read_options(std::span<const OptionRow> rows, const OptionInput& input);

// The value of a row as one would write it, but for a password in it.
std::string show_setting(const OptionRow& row);

std::string variable_name(std::string_view option);  // "call-timeout" -> "CANOPY_CALL_TIMEOUT"

// One paragraph per row, with its value at the time as the default.
void print_help(std::span<const OptionRow> rows, std::ostream& out);
// The tables of a page of documentation.
void print_markdown(std::span<const OptionRow> rows, std::ostream& out);

}  // namespace canopy
