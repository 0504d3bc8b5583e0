// canopy user: add, set, remove, list, usage.

#include <utility>

#include "base/nearest.h"
#include "base/utf8.h"
#include "cli/access.h"
#include "cli/client.h"
#include "cli/files.h"
#include "cli/text_table.h"
#include "cli/when.h"
#include "model/user.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"
#include "wire/percent.h"
#include "wire/values.h"

namespace canopy::cli {
namespace {

constexpr std::uint64_t password_file_bytes_max = 4 * KiB;

const QuotaField* find_quota(std::string_view name) {
  for (const QuotaField& field : quota_fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Result<std::uint64_t> read_quota(const QuotaField& field, std::string_view value) {
  return field.is_size ? wire::read_size(value) : wire::read_count(value, {.max = std::uint64_t{1} << 53U});
}

void write_spaces(wire::JsonWriter& json, const std::vector<std::string>& spaces) {
  json.key("namespaces");
  json.begin_array();
  for (const std::string& space : spaces) json.value(space);
  json.end_array();
}

// What user add and user set have in common; into an open object.
Result<void> write_user_fields(const Flags& flags, wire::JsonWriter& json) {
  if (!flags.role.empty()) json.member("role", flags.role);
  if (!flags.namespaces.empty()) write_spaces(json, flags.namespaces);
  if (!flags.quotas.empty()) {
    CANOPY_TRY(const std::string quotas, quotas_json(flags.quotas));
    json.key("quotas");
    json.raw(quotas);
  }
  if (!flags.password_file.empty()) {
    CANOPY_TRY(std::string password, read_file(flags.password_file, password_file_bytes_max));
    password.resize(password.find_last_not_of("\r\n") + 1);
    if (const std::size_t at = find_invalid_utf8(password); at != std::string::npos) {
      return fail(Code::invalid, "the password in " + flags.password_file + " is no UTF-8 at byte " +
                                     std::to_string(at) + "; write it as UTF-8");
    }
    json.member("password", password);
  }
  return {};
}

std::string spaces_text(const Json& from) {
  std::string text;
  for (const Json& space : list_field(from, "namespaces")) {
    const auto* const name = space.if_string();
    if (name != nullptr) text += (text.empty() ? "" : ", ") + std::string(name->data(), name->size());
  }
  return text;
}

std::string user_target(const std::string& name) { return "/v1/users/" + wire::percent_encode(name); }

std::string number_text(double value) {
  std::string text = std::to_string(value);
  return text.substr(0, text.find('.') + 2);
}

}  // namespace

Result<std::string> quotas_json(const std::vector<std::string>& words) {
  wire::JsonWriter json;
  json.begin_object();
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const QuotaField* const field = find_quota(name);
    if (field == nullptr || equals == std::string::npos) {
      std::vector<std::string_view> names;
      names.reserve(std::size(quota_fields));
      for (const QuotaField& known : quota_fields) names.push_back(known.name);
      std::string list;
      for (const std::string_view known : names) list += (list.empty() ? "" : ", ") + std::string(known);
      return fail(Code::invalid, "--quota=" + word + " is none; write --quota=NAME=N, or =none, of " + list +
                                     did_you_mean(name, names));
    }
    const std::string value = word.substr(equals + 1);
    json.key(name);
    if (value == "none") {
      json.null();
      continue;
    }
    auto number = read_quota(*field, value);
    if (!number) return fail(Code::invalid, "--quota=" + name + ": " + number.error().message);
    json.value(*number);
  }
  json.end_object();
  return json.take_text();
}

Result<int> add_user(Command& command, Terminal& terminal) {
  wire::JsonWriter json;
  json.begin_object();
  json.member("name", command.arguments.front());
  CANOPY_TRY_VOID(write_user_fields(command.flags, json));
  json.end_object();
  CANOPY_TRY(const auto response, Client(command).ask({.method = "POST",
                                                       .target = "/v1/users",
                                                       .headers = {{"Content-Type", "application/json"}},
                                                       .body = json.take_text()}));
  if (command.flags.json) {
    terminal.out() << response.body;
    return 0;
  }
  CANOPY_TRY(const Json made, wire::parse_json(response.body));
  const Json user = object_field(made, "user");
  const Json key = object_field(made, "key");
  terminal.out() << "made user " << text_field(user, "name") << ", " << text_field(user, "role") << '\n'
                 << "its key, shown once: " << terminal.bold(text_field(key, "key")) << '\n';
  // The server makes nobody else an administrator unasked.
  if (command.flags.role.empty() && text_field(user, "role") == "admin") {
    terminal.out()
        << "it is the first user, and so an administrator; from now on this server demands keys: set "
           "CANOPY_KEY to this one\n";
    return 0;
  }
  // Who has just made a user without a key made the first one, and is shut out from here on.
  const auto again = Client(command).ask({.target = "/v1/users?limit=1"});
  if (!again && again.error().code == Code::unauthorized) {
    terminal.out() << "from now on this server demands keys: set CANOPY_KEY to this one\n";
  }
  return 0;
}

Result<int> set_user(Command& command, Terminal& terminal) {
  const std::string& name = command.arguments.front();
  wire::JsonWriter json;
  json.begin_object();
  CANOPY_TRY_VOID(write_user_fields(command.flags, json));
  if (command.flags.disable && command.flags.enable) {
    return fail(Code::invalid, "--disable and --enable contradict each other; say one of them");
  }
  if (command.flags.disable || command.flags.enable) json.member("disabled", command.flags.disable);
  json.end_object();
  if (json.text() == "{}") return fail(Code::invalid, "say what to change; canopy user set --help lists it");
  CANOPY_TRY(const auto response, Client(command).ask({.method = "PATCH",
                                                       .target = user_target(name),
                                                       .headers = {{"Content-Type", "application/json"}},
                                                       .body = json.take_text()}));
  if (command.flags.json) {
    terminal.out() << response.body;
  } else {
    terminal.out() << "changed user " << name << '\n';
  }
  return 0;
}

Result<int> remove_users(Command& command, Terminal& terminal) {
  const Client client(command);
  for (const std::string& name : command.arguments) {
    CANOPY_TRY_VOID(client.ask({.method = "DELETE", .target = user_target(name)}));
    if (!command.flags.json) terminal.out() << "removed user " << name << '\n';
  }
  return 0;
}

Result<int> list_users(Command& command, Terminal& terminal) {
  CANOPY_TRY(auto pages, Client(command).ask_pages("/v1/users", "users"));
  if (command.flags.json) {
    terminal.out() << pages_json(std::move(pages), "users") << '\n';
    return 0;
  }
  TextTable table({"USER", "ROLE", "NAMESPACES", "MADE", ""});
  for (const Json& user : pages.all) {
    table.add({text_field(user, "name"), text_field(user, "role"), spaces_text(user),
               ago(text_field(user, "created"), command.clock),
               flag_field(user, "disabled") ? terminal.yellow("disabled") : ""});
  }
  if (table.empty()) {
    terminal.out()
        << "no users yet, and so no keys are needed here; canopy user add admin --role=admin makes "
           "the first\n";
    return 0;
  }
  table.print(terminal);
  return 0;
}

Result<int> show_usage(Command& command, Terminal& terminal) {
  const Flags& flags = command.flags;
  std::string target = "/v1/usage?";
  if (!command.arguments.empty()) target += "user=" + wire::percent_encode(command.arguments.front()) + "&";
  if (flags.since.count() != 0) target += "since=" + duration_text(flags.since) + "&";
  if (flags.by_day) target += "by=day&";
  target.pop_back();
  CANOPY_TRY(auto pages, Client(command).ask_pages(target, "usage"));
  if (flags.json) {
    terminal.out() << pages_json(std::move(pages), "usage") << '\n';
    return 0;
  }
  TextTable table(
      {"DAY", "USER", "FUNCTION", "CALLS", "ERRORS", "RUN MS", "CPU MS", "MIB SECONDS", "IN", "OUT", "LOG"});
  for (const Json& row : pages.all) {
    table.add({text_field(row, "day"), text_field(row, "user"), text_field(row, "function"),
               std::to_string(count_field(row, "calls")), std::to_string(count_field(row, "errors")),
               number_text(number_field(row, "run_ms")), number_text(number_field(row, "cpu_ms")),
               number_text(number_field(row, "memory_mib_seconds")),
               short_size(count_field(row, "input_bytes")), short_size(count_field(row, "output_bytes")),
               short_size(count_field(row, "log_bytes"))});
  }
  if (table.empty()) {
    terminal.out() << "nothing was used\n";
    return 0;
  }
  table.print(terminal);
  return 0;
}

}  // namespace canopy::cli
