#include "cli/calls.h"

#include <utility>

#include <boost/json/array.hpp>

#include "base/id.h"
#include "cli/client.h"
#include "cli/progress.h"
#include "cli/text_table.h"
#include "cli/timeline.h"
#include "cli/when.h"
#include "wire/json_read.h"
#include "wire/percent.h"

namespace canopy::cli {
namespace {

constexpr Duration longest_wait = std::chrono::hours(1);

Result<std::string> call_target(const std::string& text) {
  if (parse_call_id(text)) return "/v1/calls/" + text;
  return fail(Code::invalid, "\"" + text +
                                 "\" is not the id of a call, which has 32 hexadecimal digits; canopy calls "
                                 "lists them");
}

std::string state_text(const std::string& state, const Terminal& terminal) {
  if (state == "COMPLETED") return state;  // Nothing to look at.
  return state == "FAILED" ? terminal.red(state) : terminal.yellow(state);
}

std::string status_text(const Json& call) {
  const std::uint64_t status = count_field(call, "status");
  return status == 0 ? "" : std::to_string(status);
}

// "" where it is not known yet.
std::string seconds_text(const Json& from, std::string_view key) {
  return field(from, key) == nullptr ? "" : short_seconds(number_field(from, key));
}

std::string waited_text(const Json& usage) {
  return field(usage, "queue_seconds") == nullptr ? "" : short_seconds(waited_seconds(usage));
}

void print_call(const Json& call, Terminal& terminal) {
  const auto line = [&terminal](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    terminal.out() << terminal.faint(name) << std::string(11 - name.size(), ' ') << value << '\n';
  };
  const Json usage = object_field(call, "usage");
  line("call", text_field(call, "id"));
  const std::uint64_t version = count_field(call, "version");  // 0: none of it has been run.
  line("function",
       text_field(call, "function") + (version == 0 ? "" : " version " + std::to_string(version)));
  line("state", state_text(text_field(call, "state"), terminal));
  line("status", status_text(call));
  if (const Json* const error = field(call, "error")) {
    const std::string stage = text_field(*error, "stage");
    line("error", text_field(*error, "code") + (stage.empty() ? "" : " (in stage " + stage + ")") + ": " +
                      terminal.safe(text_field(*error, "message")));
  }
  line("queued", text_field(call, "queued"));
  line("ended", text_field(call, "ended"));
  line("waited", waited_text(usage));
  const std::string on_core = seconds_text(usage, "cpu_seconds");
  line("ran", seconds_text(usage, "run_seconds") + (on_core.empty() ? "" : ", on a core " + on_core));
  std::string_view name = "timeline";
  for (const std::string& part : timeline(usage)) line(std::exchange(name, ""), part);
  if (field(usage, "memory_bytes") != nullptr) line("memory", short_size(count_field(usage, "memory_bytes")));
  if (field(usage, "cold") != nullptr) line("start", flag_field(usage, "cold") ? "cold" : "warm");
  line("input", short_size(count_field(call, "input_bytes")));
  line("output", short_size(count_field(call, "output_bytes")));
  const std::uint64_t dropped = count_field(call, "log_dropped_bytes");
  line("log", short_size(count_field(call, "log_bytes")) +
                  (dropped == 0 ? "" : ", and " + short_size(dropped) + " that were not kept"));
}

// What a durable call has beside.
void print_durable(const Json& call, Terminal& terminal) {
  const auto line = [&terminal](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    terminal.out() << terminal.faint(name) << std::string(11 - name.size(), ' ') << value << '\n';
  };
  line("due", text_field(call, "due"));
  line("kept until", text_field(call, "expires"));
  for (const Json& attempt : list_field(call, "attempts")) {
    const Json* const error = field(attempt, "error");
    const bool failed = error != nullptr && !text_field(*error, "code").empty();
    line("attempt " + std::to_string(count_field(attempt, "attempt")),
         text_field(attempt, "ended") +
             (failed ? " " + text_field(*error, "code") + ": " + terminal.safe(text_field(*error, "message"))
                     : " completed"));
  }
  const Json callback = object_field(call, "callback");
  if (text_field(callback, "url").empty()) return;
  const std::string why = text_field(callback, "error");
  line("callback", text_field(callback, "state") + " to " + terminal.safe(text_field(callback, "url")) +
                       (why.empty() ? "" : ": " + terminal.safe(why)));
}

Result<int> print_answer(const net::HttpClientResponse& response, const Command& command,
                         Terminal& terminal) {
  if (command.flags.json) {
    terminal.out() << response.body;
    return 0;
  }
  CANOPY_TRY(const Json call, wire::parse_json(response.body));
  print_call(call, terminal);
  if (flag_field(call, "durable")) print_durable(call, terminal);
  return 0;
}

// A misspelt name has no calls, too.
Result<void> require_function(const Command& command) {
  CANOPY_TRY(const FunctionName name, parse_function_name(command.arguments.front()));
  CANOPY_TRY_VOID(Client(command).ask({.target = function_target(name)}));
  return {};
}

Result<int> list_calls_of(Command& command, const std::string& parameters, Terminal& terminal) {
  const Flags& flags = command.flags;
  std::string target = "/v1/calls?" + parameters;
  if (!command.arguments.empty()) {
    CANOPY_TRY(const FunctionName name, parse_function_name(command.arguments.front()));
    target += "function=" + wire::percent_encode(to_text(name)) + "&";
  }
  if (flags.since.count() != 0) target += "since=" + duration_text(flags.since) + "&";
  target.pop_back();
  CANOPY_TRY(auto pages, Client(command).ask_pages(target, "calls", flags.limit));
  if (flags.json) {
    terminal.out() << pages_json(std::move(pages), "calls") << '\n';
    return 0;
  }
  const auto& calls = pages.all;
  if (calls.empty()) {
    if (!command.arguments.empty()) CANOPY_TRY_VOID(require_function(command));
    terminal.out() << "no calls to show\n";
    return 0;
  }
  TextTable table({"CALL", "FUNCTION", "STATUS", "RAN", "WAITED", "MEMORY", "QUEUED", "STATE"});
  for (const Json& call : calls) {
    const Json usage = object_field(call, "usage");
    table.add({text_field(call, "id"), text_field(call, "function"), status_text(call),
               seconds_text(usage, "run_seconds"), waited_text(usage),
               field(usage, "memory_bytes") == nullptr ? "" : short_size(count_field(usage, "memory_bytes")),
               ago(text_field(call, "queued"), command.clock),
               state_text(text_field(call, "state"), terminal)});
  }
  table.print(terminal);
  note_more(pages, terminal);
  return 0;
}

}  // namespace

Result<int> list_calls(Command& command, Terminal& terminal) {
  std::string parameters;
  if (!command.flags.state.empty()) parameters = "state=" + wire::percent_encode(command.flags.state) + "&";
  return list_calls_of(command, parameters, terminal);
}

Result<int> list_dead(Command& command, Terminal& terminal) {
  return list_calls_of(command, "state=FAILED&durable=true&", terminal);
}

Result<int> show_call(Command& command, Terminal& terminal) {
  CANOPY_TRY(std::string target, call_target(command.arguments.front()));
  CANOPY_TRY(const auto response, Client(command).ask({.target = std::move(target)}));
  return print_answer(response, command, terminal);
}

Result<int> wait_call(Command& command, Terminal& terminal) {
  CANOPY_TRY(std::string target, call_target(command.arguments.front()));
  const Duration wait = command.flags.timeout.count() == 0 ? longest_wait : command.flags.timeout;
  target += "?wait=" + duration_text(wait);
  const Client client(command);
  Result<net::HttpClientResponse> response = fail(Code::internal, "");
  {
    const Progress progress(terminal, "waiting for " + command.arguments.front());
    response = client.ask({.target = std::move(target), .timeout = wait + std::chrono::seconds(10)});
  }
  if (!response) return tl::unexpected(std::move(response).error());
  CANOPY_TRY(const Json call, wire::parse_json(response->body));
  CANOPY_TRY_VOID(print_answer(*response, command, terminal));
  const std::string state = text_field(call, "state");
  if (state == "QUEUED" || state == "RUNNING") {
    return fail(Code::deadline, "the call has not ended within " + duration_text(wait) +
                                    "; wait again, or end it with canopy "
                                    "calls cancel " +
                                    command.arguments.front());
  }
  if (state == "COMPLETED") return 0;
  if (state == "CANCELLED") return fail(Code::canceled, "the call was cancelled before it had ended");
  const Json error = object_field(call, "error");
  const Error why = error_of(error);
  if (is_functions_fault(why, text_field(error, "origin"))) return status_function_failed;
  return fail(why.code, "the call failed: " + why.message);
}

Result<int> print_result(Command& command, Terminal& terminal) {
  const std::string& id = command.arguments.front();
  CANOPY_TRY(std::string target, call_target(id));
  CANOPY_TRY(const auto response, Client(command).send({.target = target + "/result"}));
  if (response.status == 202) {
    return fail(Code::conflict, "the call has not ended yet; canopy calls wait " + id + " waits for that");
  }
  if (const auto error = call_error(response)) {
    if (!error->functions_fault) return tl::unexpected(error->error);
    terminal.err() << "canopy: " << terminal.safe_error(error->error.message) << '\n';
    return status_function_failed;
  }
  if (command.flags.json) {
    terminal.out() << response_json(response) << '\n';
    return 0;
  }
  terminal.out() << terminal.safe(response.body);
  if (terminal.out_is_terminal() && !response.body.empty() && response.body.back() != '\n') {
    terminal.out() << '\n';
  }
  return 0;
}

Result<int> cancel_call(Command& command, Terminal& terminal) {
  CANOPY_TRY(std::string target, call_target(command.arguments.front()));
  CANOPY_TRY(const auto response, Client(command).ask({.method = "DELETE", .target = std::move(target)}));
  if (command.flags.json) {
    terminal.out() << response.body;
  } else {
    terminal.out() << "cancelled " << command.arguments.front() << '\n';
  }
  return 0;
}

Result<int> retry_call(Command& command, Terminal& terminal) {
  CANOPY_TRY(std::string target, call_target(command.arguments.front()));
  target += "/retry";
  CANOPY_TRY(const auto response, Client(command).ask({.method = "POST", .target = std::move(target)}));
  if (command.flags.json) {
    terminal.out() << response.body;
  } else {
    terminal.out() << "queued " << command.arguments.front() << " again\n";
  }
  return 0;
}

}  // namespace canopy::cli
