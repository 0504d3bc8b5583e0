// canopy secret: set, list, remove.

#include <utility>

#include "cli/access.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/text_table.h"
#include "cli/when.h"
#include "wire/json_read.h"
#include "wire/percent.h"

namespace canopy::cli {
namespace {

// "ns/NAME" is a namespace's, "ns/fn/NAME" a function's.
Result<std::string> secret_target(const std::string& text) {
  const std::size_t first = text.find('/');
  const std::size_t last = text.rfind('/');
  if (first == std::string::npos || text.find('/', first + 1) < last) {
    return fail(Code::invalid,
                "'" + text + "' is no secret; write namespace/NAME, or namespace/function/NAME");
  }
  std::string target = "/v1/secrets/" + wire::percent_encode(text.substr(0, first)) + "/" +
                       wire::percent_encode(text.substr(last + 1));
  if (first != last) target += "?function=" + wire::percent_encode(text.substr(first + 1, last - first - 1));
  return target;
}

}  // namespace

Result<int> set_secret(Command& command, Terminal& terminal) {
  const std::string& name = command.arguments.front();
  ClientRequest request{.method = "PUT"};
  CANOPY_TRY(request.target, secret_target(name));
  if (!command.flags.has_data && terminal.in_is_terminal()) {
    return fail(Code::invalid, "pipe the value in, or give it with -d @FILE");
  }
  CANOPY_TRY(request.body, read_input(command.flags, terminal));
  if (request.body.ends_with('\n')) request.body.pop_back();  // echo's, or an editor's.
  request.headers = {{"Content-Type", "text/plain"}};
  CANOPY_TRY(const auto response, Client(command).ask(std::move(request)));
  if (command.flags.json) {
    terminal.out() << response.body;
  } else {
    terminal.out() << "set " << name << '\n';
  }
  return 0;
}

Result<int> remove_secrets(Command& command, Terminal& terminal) {
  const Client client(command);
  for (const std::string& name : command.arguments) {
    CANOPY_TRY(std::string target, secret_target(name));
    CANOPY_TRY_VOID(client.ask({.method = "DELETE", .target = std::move(target)}));
    if (!command.flags.json) terminal.out() << "removed " << name << '\n';
  }
  return 0;
}

Result<int> list_secrets(Command& command, Terminal& terminal) {
  std::string target = "/v1/secrets";
  if (!command.arguments.empty()) target += "/" + wire::percent_encode(command.arguments.front());
  CANOPY_TRY(auto pages, Client(command).ask_pages(target, "secrets"));
  if (command.flags.json) {
    terminal.out() << pages_json(std::move(pages), "secrets") << '\n';
    return 0;
  }
  TextTable table({"NAMESPACE", "FUNCTION", "NAME", "SIZE", "CHANGED"});
  for (const Json& secret : pages.all) {
    const std::string function = text_field(secret, "function");
    table.add({text_field(secret, "namespace"), function.empty() ? "all" : function,
               text_field(secret, "name"), short_size(count_field(secret, "size_bytes")),
               ago(text_field(secret, "changed"), command.clock)});
  }
  if (table.empty()) {
    terminal.out() << "no secrets\n";
    return 0;
  }
  table.print(terminal);
  return 0;
}

}  // namespace canopy::cli
