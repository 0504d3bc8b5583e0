#include "options/table.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "base/nearest.h"
#include "wire/values.h"
#include "wire/yaml.h"

namespace canopy {
namespace {

// Variables that begin as ours do and are read elsewhere.
constexpr std::array<std::string_view, 10> other_variables = {
    "CANOPY_URL",        "CANOPY_KEY",     "CANOPY_CACHE",     "CANOPY_DEBIAN_MIRROR", "CANOPY_SYSROOT",
    "CANOPY_JOIN_TOKEN", "CANOPY_JOIN_CA", "CANOPY_JOIN_CERT", "CANOPY_JOIN_KEY",      "CANOPY_CHECK_BASE"};
// What Kubernetes sets in every pod beside a service that is called canopy.
constexpr std::array<std::string_view, 2> service_prefixes = {"CANOPY_SERVICE_", "CANOPY_PORT"};
constexpr std::string_view variable_prefix = "CANOPY_";
constexpr std::size_t list_max = 1000;

tl::unexpected<Error> refuse(std::string message) { return fail(Code::invalid, std::move(message)); }

bool is_bool(const OptionRow& row) { return std::holds_alternative<bool*>(row.setting); }

template <class Value>
Result<void> keep(Result<Value> value, Value* to) {
  if (!value) return tl::unexpected(std::move(value).error());
  *to = *std::move(value);
  return {};
}

// Reads `text` into what the row is bound to.
struct Reader {
  std::string_view text;

  Result<void> operator()(std::string* to) const {
    if (text.find('\0') != std::string_view::npos) return refuse("it has a NUL in it");
    *to = text;
    return {};
  }
  Result<void> operator()(bool* to) const { return keep(wire::read_bool(text), to); }
  Result<void> operator()(const SizeSetting& to) const {
    return keep(wire::read_size(text, {.min = to.min, .max = to.max}), to.bytes);
  }
  Result<void> operator()(const CountSetting& to) const {
    return keep(wire::read_count(text, {.min = to.min, .max = to.max}), to.count);
  }
  Result<void> operator()(const DurationSetting& to) const {
    return keep(wire::read_duration(text, {.min = to.min, .max = to.max}), to.duration);
  }
  Result<void> operator()(const ChoiceSetting& to) const {
    if (std::ranges::find(to.choices, text) == to.choices.end()) {
      std::string list;
      for (const std::string_view choice : to.choices)
        list += (list.empty() ? "" : ", ") + std::string(choice);
      return refuse(wire::in_quotes(text) + " is none of " + list + did_you_mean(text, to.choices));
    }
    *to.text = text;
    return {};
  }
  Result<void> operator()(std::vector<std::string>* to) const {
    if (to->size() == list_max) return refuse("it is given more than " + std::to_string(list_max) + " times");
    to->emplace_back(text);
    return {};
  }
};

class OptionReader {
 public:
  OptionReader(std::span<const OptionRow> rows, const OptionInput& input) : rows_(rows), input_(input) {
    reading_.sources.resize(rows.size(), OptionSource::unset);
    reading_.origins.resize(rows.size());
    names_.reserve(rows.size());
    for (const OptionRow& row : rows) names_.push_back(row.name);
  }

  Result<OptionReading> read() {
    CANOPY_TRY_VOID(collect_flags());
    collect_variables();
    CANOPY_TRY_VOID(read_file());
    for (const Given& given : variables_) CANOPY_TRY_VOID(set(given, OptionSource::variable));
    for (const Given& given : flags_) CANOPY_TRY_VOID(set(given, OptionSource::flag));
    return std::move(reading_);
  }

 private:
  struct Given {
    std::size_t row;
    std::string value;
    std::string origin;
  };

  std::optional<std::size_t> find(std::string_view name) const {
    const auto found = std::ranges::find(names_, name);
    if (found == names_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - names_.begin());
  }

  std::optional<std::size_t> find_letter(char letter) const {
    const auto found = std::ranges::find(rows_, letter, &OptionRow::letter);
    if (letter == '\0' || found == rows_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - rows_.begin());
  }

  Result<void> collect_flags() {
    const auto& arguments = input_.arguments;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string_view argument = arguments[i];
      if (argument == "--") {
        reading_.positional.insert(reading_.positional.end(),
                                   arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
        break;
      }
      if (argument.starts_with("--")) {
        CANOPY_TRY_VOID(collect_long(argument));
      } else if (argument == "-h" && !find_letter('h')) {
        reading_.help = "";
      } else if (argument.size() > 1 && argument.front() == '-') {
        CANOPY_TRY_VOID(collect_short(argument, i));
      } else {
        reading_.positional.emplace_back(argument);
      }
    }
    return {};
  }

  Result<void> collect_long(std::string_view argument) {
    const std::size_t equals = argument.find('=');
    const bool has_value = equals != std::string_view::npos;
    const std::string_view name = argument.substr(2, has_value ? equals - 2 : equals);
    const std::string_view value = has_value ? argument.substr(equals + 1) : std::string_view();
    if (name == "help") {
      reading_.help = value;
      return {};
    }
    const auto row = find(name);
    const std::string flag = "--" + std::string(name);
    if (!row)
      return refuse("no option " + wire::in_quotes(flag) + suggest(name, "--") + " (--help lists them)");
    if (has_value) {
      flags_.push_back({*row, std::string(value), flag});
    } else if (is_bool(rows_[*row])) {
      flags_.push_back({*row, "true", flag});
    } else {
      return refuse(flag + " needs a value: write " + flag + "=" + std::string(rows_[*row].value));
    }
    return {};
  }

  // -x VALUE or -xVALUE; of flags without a value one at a time.
  Result<void> collect_short(std::string_view argument, std::size_t& i) {
    const auto row = find_letter(argument[1]);
    const std::string flag(argument.substr(0, 2));
    if (!row) return refuse("no option " + wire::in_quotes(argument) + " (--help lists them)");
    if (is_bool(rows_[*row])) {
      if (argument.size() > 2) return refuse(wire::in_quotes(argument) + ": " + flag + " takes no value");
      flags_.push_back({*row, "true", flag});
    } else if (argument.size() > 2) {
      flags_.push_back({*row, std::string(argument.substr(2)), flag});
    } else if (i + 1 < input_.arguments.size()) {
      flags_.push_back({*row, std::string(input_.arguments[++i]), flag});
    } else {
      return refuse(flag + " needs a value: write " + flag + " " + std::string(rows_[*row].value));
    }
    return {};
  }

  void collect_variables() {
    std::vector<std::string> known;
    known.reserve(names_.size());
    for (const std::string_view name : names_) known.push_back(variable_name(name));
    const std::vector<std::string_view> known_views(known.begin(), known.end());
    for (const std::string_view entry : input_.environment) {
      const std::size_t equals = entry.find('=');
      const std::string_view name = entry.substr(0, equals);
      if (!name.starts_with(variable_prefix) || equals == std::string_view::npos) continue;
      const auto found = std::ranges::find(known, name);
      if (found != known.end()) {
        const auto row = static_cast<std::size_t>(found - known.begin());
        variables_.push_back({row, std::string(entry.substr(equals + 1)), std::string(name)});
        continue;
      }
      const bool elsewhere =
          std::ranges::find(other_variables, name) != other_variables.end() ||
          std::ranges::any_of(service_prefixes, [&](std::string_view p) { return name.starts_with(p); });
      if (elsewhere) continue;
      reading_.warnings.push_back("the variable " + wire::in_quotes(name) + " is not a setting" +
                                  did_you_mean(name, known_views));
    }
  }

  // The file is named by a flag or a variable, so those are collected before and set after it.
  Result<void> read_file() {
    const auto config = find("config");
    if (!config || !input_.read_file) return {};
    std::string path;
    for (const auto* given : {&variables_, &flags_}) {
      for (const Given& one : *given) {
        if (one.row == *config) path = one.value;
      }
    }
    if (path.empty()) return {};
    CANOPY_TRY(const std::string text, input_.read_file(path));
    CANOPY_TRY(const wire::YamlNode root, wire::parse_yaml(text, path));
    if (root.kind == wire::YamlNode::Kind::null) return {};
    if (root.kind != wire::YamlNode::Kind::map) {
      return wire::yaml_error(path, root.place,
                              "settings are written as 'listen: 127.0.0.1:8080', one to a line");
    }
    for (const wire::YamlEntry& entry : root.entries) CANOPY_TRY_VOID(read_entry(entry, path));
    return {};
  }

  Result<void> read_entry(const wire::YamlEntry& entry, const std::string& path) {
    const auto row = find(entry.key);
    if (entry.key == "config") {
      return wire::yaml_error(path, entry.place,
                              "config names this file; it cannot name another from inside");
    }
    if (!row) {
      return wire::yaml_error(path, entry.place,
                              "no setting " + wire::in_quotes(entry.key) + suggest(entry.key, ""));
    }
    const bool is_list = std::holds_alternative<std::vector<std::string>*>(rows_[*row].setting) &&
                         entry.value.kind == wire::YamlNode::Kind::list;
    const std::vector<wire::YamlNode> one = is_list ? entry.value.items : std::vector{entry.value};
    for (const wire::YamlNode& node : one) {
      if (node.kind != wire::YamlNode::Kind::scalar) {
        return wire::yaml_error(
            path, node.place,
            entry.key + ": one value was expected, and this is " + std::string(describe(node)));
      }
      const std::string origin =
          path + ":" + std::to_string(node.place.line) + ":" + std::to_string(node.place.column);
      CANOPY_TRY_VOID(set({*row, node.text, origin}, OptionSource::file));
    }
    return {};
  }

  std::string suggest(std::string_view name, std::string_view prefix) const {
    const auto near = nearest_name(name, names_);
    return near ? "; did you mean " + std::string(prefix) + std::string(*near) + "?" : "";
  }

  // Later sources are set later, and so win. A list is what the strongest source says, not a sum of all.
  Result<void> set(const Given& given, OptionSource source) {
    const OptionRow& row = rows_[given.row];
    if (const auto* list = std::get_if<std::vector<std::string>*>(&row.setting)) {
      if (reading_.sources[given.row] != source) (*list)->clear();
    }
    const auto done = std::visit(Reader{given.value}, row.setting);
    if (!done) {
      // A file's place does not name the setting; a flag and a variable do.
      const std::string where =
          source == OptionSource::file ? given.origin + ": " + std::string(row.name) : given.origin;
      return refuse(where + ": " + done.error().message);
    }
    reading_.sources[given.row] = source;
    reading_.origins[given.row] = given.origin;
    return {};
  }

  std::span<const OptionRow> rows_;
  const OptionInput& input_;
  std::vector<std::string_view> names_;
  std::vector<Given> flags_;
  std::vector<Given> variables_;
  OptionReading reading_;
};

}  // namespace

Result<OptionReading> read_options(std::span<const OptionRow> rows, const OptionInput& input) {
  return OptionReader(rows, input).read();
}

}  // namespace canopy
