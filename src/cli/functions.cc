#include "cli/functions.h"

#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "cli/client.h"
#include "cli/text_table.h"
#include "cli/when.h"
#include "wire/percent.h"

namespace canopy::cli {
namespace {

std::string limit_text(const Json& function, std::string_view key) {
  const Json* const limits = field(function, "limits");
  return limits == nullptr ? "" : short_size(count_field(*limits, key));
}

std::string timeout_text(const Json& function) {
  const Json* const limits = field(function, "limits");
  return limits == nullptr ? "" : short_seconds(number_field(*limits, "timeout_seconds"));
}

void print_versions(const boost::json::array& versions, std::uint64_t current, const Command& command,
                    Terminal& terminal) {
  TextTable table({"", "VERSION", "CODE", "DIGEST", "DEPLOYED"});
  for (const Json& version : versions) {
    const std::uint64_t number = count_field(version, "version");
    table.add({number == current ? "*" : "", std::to_string(number),
               short_size(count_field(version, "code_bytes")), text_field(version, "digest").substr(0, 12),
               ago(text_field(version, "created"), command.clock)});
  }
  terminal.out() << '\n';
  table.print(terminal);
}

void print_function(const Json& function, Terminal& terminal) {
  const auto line = [&terminal](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    terminal.out() << terminal.faint(name) << std::string(14 - name.size(), ' ') << value << '\n';
  };
  const Json limits = object_field(function, "limits");
  line("function", terminal.bold(text_field(function, "function")));
  line("url", text_field(function, "url"));
  line("version", std::to_string(count_field(function, "version")));
  line("deployed", text_field(function, "created"));
  line("runtime", text_field(function, "runtime"));
  line("code", short_size(count_field(function, "code_bytes")));
  line("digest", text_field(function, "digest"));
  line("memory", short_size(count_field(limits, "memory_bytes")));
  line("timeout", short_seconds(number_field(limits, "timeout_seconds")));
  line("concurrency", std::to_string(count_field(limits, "concurrency")));
  line("output", short_size(count_field(limits, "output_bytes")));
  line("log", short_size(count_field(limits, "log_bytes")));
  line("tmp", short_size(count_field(limits, "tmp_bytes")));
  line("open files", std::to_string(count_field(limits, "open_files")));
  for (const auto& [name, value] : object_field(function, "env")) {
    const auto* const text = value.if_string();
    line("env", std::string(name.data(), name.size()) + "=" +
                    terminal.safe(text == nullptr ? std::string_view()
                                                  : std::string_view(text->data(), text->size())));
  }
  for (const Json& file : list_field(function, "files")) {
    line("file", text_field(file, "path") + "  " + short_size(count_field(file, "size_bytes")));
  }
}

}  // namespace

Result<int> list_functions(Command& command, Terminal& terminal) {
  const Client client(command);
  std::string target = "/v1/functions";
  if (!command.arguments.empty()) target += "/" + wire::percent_encode(command.arguments.front());
  CANOPY_TRY(auto pages, client.ask_pages(target, "functions"));
  if (command.flags.json) {
    terminal.out() << pages_json(std::move(pages), "functions") << '\n';
    return 0;
  }
  const boost::json::array& functions = pages.all;
  if (command.flags.names_only) {
    for (const Json& function : functions) terminal.out() << text_field(function, "function") << '\n';
    return 0;
  }
  if (functions.empty() && !command.arguments.empty()) {
    terminal.out() << "no functions in " << command.arguments.front() << "; canopy list lists all\n";
    return 0;
  }
  if (functions.empty()) {
    terminal.out() << "no functions yet; canopy new cpp hello && canopy deploy hello makes the first\n";
    return 0;
  }
  TextTable table({"FUNCTION", "VERSION", "RUNTIME", "CODE", "MEMORY", "TIMEOUT", "DEPLOYED"});
  for (const Json& function : functions) {
    table.add({text_field(function, "function"), std::to_string(count_field(function, "version")),
               text_field(function, "runtime"), short_size(count_field(function, "code_bytes")),
               limit_text(function, "memory_bytes"), timeout_text(function),
               ago(text_field(function, "created"), command.clock)});
  }
  table.print(terminal);
  return 0;
}

Result<int> describe(Command& command, Terminal& terminal) {
  CANOPY_TRY(const FunctionName name, parse_function_name(command.arguments.front()));
  const Client client(command);
  CANOPY_TRY(const Json function, client.ask_json({.target = function_target(name)}));
  CANOPY_TRY(auto versions, client.ask_pages(function_target(name) + "/versions", "versions"));
  if (command.flags.json) {
    boost::json::object whole = *function.if_object();
    whole["versions"] = std::move(versions.all);
    terminal.out() << boost::json::serialize(whole) << '\n';
    return 0;
  }
  print_function(function, terminal);
  print_versions(versions.all, count_field(function, "version"), command, terminal);
  return 0;
}

}  // namespace canopy::cli
