#include "cli/dispatch.h"

#include <algorithm>
#include <string_view>

#include "cli/client.h"
#include "cli/text_table.h"
#include "model/function.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"

namespace canopy::cli {
namespace {

// What to send; "default" ends a function's exception.
Result<std::string> change_json(const std::string& way, const std::string& function) {
  wire::JsonWriter json;
  json.begin_object();
  if (function.empty()) {
    if (way == "default") {
      return fail(Code::invalid, "default ends what was said of one function: it goes with --function=NS/FN");
    }
    json.member("mode", way);
  } else {
    CANOPY_TRY(const FunctionName name, parse_function_name(function));
    json.key("functions");
    json.begin_object();
    json.key(to_text(name));
    way == "default" ? json.null() : json.value(way);
    json.end_object();
  }
  json.end_object();
  return json.take_text();
}

void print(const Json& rules, Terminal& terminal) {
  terminal.out() << "calls are dispatched  " << terminal.bold(text_field(rules, "mode")) << '\n';
  if (const std::string listen = text_field(rules, "listen"); !listen.empty()) {
    terminal.out() << "workers join at       " << listen << '\n'
                   << "workers ready         " << count_field(rules, "workers") << '\n';
  }
  const auto& functions = object_field(rules, "functions");
  if (functions.empty()) return;
  TextTable table({"FUNCTION", "DISPATCH"});
  for (const auto& [name, way] : functions) {
    const auto* const text = way.if_string();
    table.add({std::string(name.data(), name.size()),
               text == nullptr ? "" : std::string(text->data(), text->size())});
  }
  terminal.out() << '\n';
  table.print(terminal);
}

}  // namespace

Result<int> dispatch(Command& command, Terminal& terminal) {
  const auto is_function = [](std::string_view word) { return word.starts_with("--function"); };
  if (command.flags.function.empty() && std::ranges::any_of(command.all_arguments, is_function)) {
    // A variable that was not set, say: it does not mean all of them.
    return fail(Code::invalid,
                "--function= names none; write --function=NS/FN, or leave it out to mean all calls");
  }
  const Client client(command);
  ClientRequest request{.target = "/v1/dispatch"};
  if (!command.arguments.empty()) {
    request.method = "PUT";
    request.headers = {{"Content-Type", "application/json"}};
    CANOPY_TRY(request.body, change_json(command.arguments.front(), command.flags.function));
  } else if (!command.flags.function.empty()) {
    return fail(Code::invalid, "say the way too: canopy dispatch local|push|pull|default --function=" +
                                   command.flags.function);
  }
  CANOPY_TRY(const auto response, client.ask(std::move(request)));
  if (command.flags.json) {
    terminal.out() << response.body;
    return 0;
  }
  CANOPY_TRY(const Json rules, wire::parse_json(response.body));
  print(rules, terminal);
  return 0;
}

}  // namespace canopy::cli
