// canopy key: create, revoke, list; and canopy audit.

#include <utility>

#include "cli/access.h"
#include "cli/client.h"
#include "cli/text_table.h"
#include "cli/when.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"
#include "wire/percent.h"

namespace canopy::cli {
namespace {

std::string spaces_text(const Json& key) {
  const auto& spaces = list_field(key, "namespaces");
  if (spaces.empty()) return "all";
  std::string text;
  for (const Json& space : spaces) {
    const auto* const name = space.if_string();
    if (name != nullptr) text += (text.empty() ? "" : ", ") + std::string(name->data(), name->size());
  }
  return text;
}

std::string expiry_text(const Json& key) {
  const std::string expires = text_field(key, "expires");
  return expires.empty() ? "never" : expires.substr(0, 10);
}

}  // namespace

Result<int> create_key(Command& command, Terminal& terminal) {
  const Flags& flags = command.flags;
  wire::JsonWriter json;
  json.begin_object();
  if (!flags.user.empty()) json.member("user", flags.user);
  if (!flags.label.empty()) json.member("label", flags.label);
  if (!flags.role.empty()) json.member("role", flags.role);
  if (flags.expires.count() != 0) json.member("expires", duration_text(flags.expires));
  if (!flags.namespaces.empty()) {
    json.key("namespaces");
    json.begin_array();
    for (const std::string& space : flags.namespaces) json.value(space);
    json.end_array();
  }
  json.end_object();
  CANOPY_TRY(const auto response, Client(command).ask({.method = "POST",
                                                       .target = "/v1/keys",
                                                       .headers = {{"Content-Type", "application/json"}},
                                                       .body = json.take_text()}));
  if (flags.json) {
    terminal.out() << response.body;
    return 0;
  }
  CANOPY_TRY(const Json key, wire::parse_json(response.body));
  // To standard output the key alone, so that a script can keep it; the rest is for people.
  terminal.out() << text_field(key, "key") << '\n';
  terminal.err() << "made key " << text_field(key, "id") << " of " << text_field(key, "user") << ", "
                 << text_field(key, "role") << ", expires " << expiry_text(key) << "; it is shown once\n";
  for (const Json& warning : list_field(key, "warnings")) {
    const auto* const sentence = warning.if_string();
    if (sentence == nullptr) continue;
    terminal.err() << "warning: " << terminal.safe(std::string_view(sentence->data(), sentence->size()))
                   << '\n';
  }
  return 0;
}

Result<int> revoke_keys(Command& command, Terminal& terminal) {
  const Client client(command);
  for (const std::string& id : command.arguments) {
    CANOPY_TRY_VOID(client.ask({.method = "DELETE", .target = "/v1/keys/" + wire::percent_encode(id)}));
    if (!command.flags.json) terminal.out() << "revoked key " << id << '\n';
  }
  return 0;
}

Result<int> list_keys(Command& command, Terminal& terminal) {
  std::string target = "/v1/keys";
  if (!command.flags.user.empty()) target += "?user=" + wire::percent_encode(command.flags.user);
  CANOPY_TRY(auto pages, Client(command).ask_pages(target, "keys"));
  if (command.flags.json) {
    terminal.out() << pages_json(std::move(pages), "keys") << '\n';
    return 0;
  }
  TextTable table({"KEY", "USER", "ROLE", "NAMESPACES", "MADE", "EXPIRES", "LABEL"});
  for (const Json& key : pages.all) {
    table.add({text_field(key, "id"), text_field(key, "user"), text_field(key, "role"), spaces_text(key),
               ago(text_field(key, "created"), command.clock), expiry_text(key),
               terminal.safe(text_field(key, "label"))});
  }
  if (table.empty()) {
    terminal.out() << "no keys\n";
    return 0;
  }
  table.print(terminal);
  return 0;
}

Result<int> show_audit(Command& command, Terminal& terminal) {
  CANOPY_TRY(auto pages, Client(command).ask_pages("/v1/audit", "audit", command.flags.limit));
  if (command.flags.json) {
    terminal.out() << pages_json(std::move(pages), "audit") << '\n';
    return 0;
  }
  TextTable table({"AT", "USER", "KEY", "ACTION", "TARGET", "DETAIL"});
  for (const Json& entry : pages.all) {
    table.add({text_field(entry, "at"), text_field(entry, "user"), text_field(entry, "key"),
               text_field(entry, "action"), terminal.safe(text_field(entry, "target")),
               terminal.safe(text_field(entry, "detail"))});
  }
  if (table.empty()) {
    terminal.out() << "nothing was changed yet\n";
    return 0;
  }
  table.print(terminal);
  note_more(pages, terminal);
  return 0;
}

}  // namespace canopy::cli
