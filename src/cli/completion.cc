#include "cli/completion.h"

#include <string>
#include <vector>

#include "wire/values.h"

namespace canopy::cli {
namespace {

// What a verb's arguments are, to a shell.
enum class Kind { none, files, functions, words };

Kind kind_of(const Verb& verb) {
  const std::string_view arguments = verb.arguments;
  if (arguments.starts_with("ns/fn") || arguments.starts_with("[ns/fn")) return Kind::functions;
  if (arguments.starts_with("PATH") || arguments.starts_with("FILE")) return Kind::files;
  return arguments.find('|') != std::string_view::npos ? Kind::words : Kind::none;
}

// "c|cpp|go NAME" -> "c cpp go"
std::string words_of(const Verb& verb) {
  std::string words(verb.arguments.substr(0, verb.arguments.find(' ')));
  for (char& c : words) {
    if (c == '|') c = ' ';
  }
  return words;
}

bool takes_value(const OptionRow& row) { return !std::holds_alternative<bool*>(row.setting); }

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The first words of all verbs, once each.
std::vector<const Verb*> first_words() {
  std::vector<const Verb*> first;
  for (const Verb& verb : verbs()) {
    if (verb.name.find(' ') == std::string_view::npos) first.push_back(&verb);
  }
  return first;
}

// "list show wait cancel" of calls.
std::string second_words(const Verb& verb) {
  std::string words;
  const std::string prefix = std::string(verb.name) + " ";
  for (const Verb& other : verbs()) {
    if (other.name.starts_with(prefix))
      words += (words.empty() ? "" : " ") + std::string(other.name.substr(prefix.size()));
  }
  return words;
}

// The flags of a verb and of those below it.
std::vector<OptionRow> all_flags(const Verb& verb, Flags& flags) {
  std::vector<OptionRow> rows = flags_of(verb, flags);
  for (const Verb& other : verbs()) {
    if (!other.name.starts_with(std::string(verb.name) + " ")) continue;
    for (const OptionRow& row : flags_of(other, flags)) {
      bool known = false;
      for (const OptionRow& old : rows) known = known || old.name == row.name;
      if (!known) rows.push_back(row);
    }
  }
  return rows;
}

void print_bash(std::ostream& out) {
  out << "# bash completion of canopy: source <(canopy completion bash)\n"
         "_canopy() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]-} flags= words= kind=none\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    COMPREPLY=($(compgen -W '";
  for (const Verb* const verb : first_words()) out << verb->name << ' ';
  out << "' -- \"$word\"))\n    return\n  fi\n  case $verb in\n";
  for (const Verb* const verb : first_words()) {
    Flags flags;
    out << "    " << verb->name << ")\n      flags='";
    for (const OptionRow& row : all_flags(*verb, flags))
      out << "--" << row.name << (takes_value(row) ? "= " : " ");
    out << "--help'\n";
    const Kind kind = kind_of(*verb);
    const std::string more = second_words(*verb) + (kind == Kind::words ? words_of(*verb) : "");
    if (!more.empty()) out << "      words='" << more << "'\n";
    if (kind == Kind::files) out << "      kind=files\n";
    if (kind == Kind::functions) out << "      kind=functions\n";
    out << "      ;;\n";
  }
  out << "  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
         "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
         "    return 0\n"
         "  fi\n"
         "  [[ $kind == functions ]] && words+=\" $(canopy list --names 2>/dev/null)\"\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  [[ $kind == files ]] && COMPREPLY+=($(compgen -f -- \"$word\"))\n"
         "  return 0\n"
         "}\n"
         "complete -o filenames -F _canopy canopy\n";
}

// In zsh's specifications of flags these mean something.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

void print_zsh(std::ostream& out) {
  out << "#compdef canopy\n"
         "# zsh completion of canopy: canopy completion zsh > \"${fpath[1]}/_canopy\"\n"
         "_canopy_functions() { local -a names; names=(${(f)\"$(canopy list --names 2>/dev/null)\"}); "
         "compadd -a names }\n"
         "_canopy() {\n"
         "  if ((CURRENT == 2)); then\n"
         "    local -a verbs\n"
         "    verbs=(\n";
  for (const Verb* const verb : first_words()) {
    out << "      " << quoted(std::string(verb->name) + ":" + zsh_text(verb->help)) << '\n';
  }
  out << "    )\n    _describe verb verbs\n    return\n  fi\n"
         "  local verb=$words[2]\n  shift words\n  ((CURRENT--))\n  case $verb in\n";
  for (const Verb* const verb : first_words()) {
    Flags flags;
    out << "    " << verb->name << ")\n      _arguments -s";
    for (const OptionRow& row : all_flags(*verb, flags)) {
      const std::string value = takes_value(row) ? "=" : "";
      out << " \\\n        "
          << quoted("--" + std::string(row.name) + value + "[" + zsh_text(row.help) + "]" +
                    (takes_value(row) ? ":" + zsh_text(row.value) + ":_files" : ""));
    }
    const Kind kind = kind_of(*verb);
    const std::string more = second_words(*verb) + (kind == Kind::words ? words_of(*verb) : "");
    if (!more.empty()) out << " \\\n        " << quoted("1: :(" + more + ")");
    if (kind == Kind::files) out << " \\\n        '*:file:_files'";
    if (kind == Kind::functions) out << " \\\n        '*:function:_canopy_functions'";
    out << "\n      ;;\n";
  }
  out << "  esac\n}\n"
         "if [[ $funcstack[1] == _canopy ]]; then _canopy \"$@\"; else compdef _canopy canopy; fi\n";
}

void print_fish(std::ostream& out) {
  out << "# fish completion of canopy: canopy completion fish | source\n"
         "complete -c canopy -f\n";
  for (const Verb* const verb : first_words()) {
    const std::string name(verb->name);
    const std::string below = "-n '__fish_seen_subcommand_from " + name + "'";
    out << "complete -c canopy -n __fish_use_subcommand -a " << name << " -d " << quoted(verb->help) << '\n';
    Flags flags;
    for (const OptionRow& row : all_flags(*verb, flags)) {
      out << "complete -c canopy " << below << " -l " << row.name;
      if (row.letter != '\0') out << " -s " << row.letter;
      if (takes_value(row)) out << " -r";
      out << " -d " << quoted(row.help) << '\n';
    }
    const Kind kind = kind_of(*verb);
    const std::string more = second_words(*verb) + (kind == Kind::words ? words_of(*verb) : "");
    if (!more.empty()) out << "complete -c canopy " << below << " -a " << quoted(more) << '\n';
    if (kind == Kind::files) out << "complete -c canopy " << below << " -F\n";
    if (kind == Kind::functions) {
      out << "complete -c canopy " << below << " -a '(canopy list --names 2>/dev/null)'\n";
    }
  }
}

}  // namespace

Result<void> print_completion(std::string_view shell, std::ostream& out) {
  if (shell == "bash") {
    print_bash(out);
  } else if (shell == "zsh") {
    print_zsh(out);
  } else if (shell == "fish") {
    print_fish(out);
  } else {
    return fail(Code::invalid,
                wire::in_quotes(shell) + " is no shell that can be completed; choose bash, zsh or fish");
  }
  return {};
}

}  // namespace canopy::cli
