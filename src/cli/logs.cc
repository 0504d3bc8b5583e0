// canopy logs: what calls wrote, of one or of a function's last ones, as they are or as they come.

#include <map>
#include <utility>

#include <boost/json/array.hpp>

#include "base/id.h"
#include "cli/calls.h"
#include "cli/client.h"
#include "cli/event_reader.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"

namespace canopy::cli {
namespace {

// Whose log it is and what is asked of it.
struct Wanted {
  std::string target;
  bool one_call = false;
};

Result<Wanted> read_wanted(const Command& command) {
  const std::string& text = command.arguments.front();
  const Flags& flags = command.flags;
  Wanted wanted;
  if (parse_call_id(text)) {
    wanted.one_call = true;
    wanted.target = "/v1/calls/" + text + "/logs";
  } else {
    CANOPY_TRY(const FunctionName name, parse_function_name(text));
    wanted.target = function_target(name) + "/logs";
  }
  std::string query;
  const auto add = [&query](const std::string& parameter) {
    query += (query.empty() ? "?" : "&") + parameter;
  };
  if (flags.has_tail) add("tail=" + std::to_string(flags.tail));
  if (flags.since.count() != 0) add("since=" + duration_text(flags.since));
  if (flags.follow) add("follow=true");
  wanted.target += query;
  return wanted;
}

// What several calls wrote, each piece under the id of its call: whole, for the commands that take one.
class LogPrinter {
 public:
  LogPrinter(Terminal& terminal, bool with_call) : terminal_(terminal), with_call_(with_call) {}

  void print(const std::string& call, std::string_view text) {
    if (!with_call_) {
      terminal_.out() << terminal_.safe(text);
      return;
    }
    if (text.empty()) return;
    begin(call);
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      terminal_.out() << (open_ ? "" : indent) << terminal_.safe(text.substr(0, end));
      open_ = end == text.size();
      if (!open_) terminal_.out() << '\n';
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  // A line of our own.
  void note(const std::string& call, const std::string& text) {
    if (with_call_ && !call.empty()) begin(call);
    if (open_) terminal_.out() << '\n';
    open_ = false;
    terminal_.out() << (with_call_ ? indent : "") << terminal_.faint(terminal_.safe(text)) << '\n';
  }

  void flush() { terminal_.out() << std::flush; }

 private:
  static constexpr std::string_view indent = "  ";

  void begin(const std::string& call) {
    if (call == last_) return;
    if (std::exchange(open_, false)) terminal_.out() << '\n';
    last_ = call;
    terminal_.out() << terminal_.faint("call " + call) << '\n';
  }

  Terminal& terminal_;
  const bool with_call_;
  bool open_ = false;  // The last line has no end yet.
  std::string last_;
};

std::string dropped_note(std::uint64_t bytes) {
  return "[" + short_size(bytes) + " more were not kept; raise the function's 'log' to keep them]";
}

void show_end(const Json& record, LogPrinter& printer) {
  const std::string call = text_field(record, "id");
  if (const std::uint64_t dropped = count_field(record, "log_dropped_bytes"); dropped > 0) {
    printer.note(call, dropped_note(dropped));
  }
  if (const Json* const error = field(record, "error")) {
    printer.note(call, "[" + text_field(*error, "code") + ": " + text_field(*error, "message") + "]");
  }
}

Result<int> follow(const Wanted& wanted, const Command& command, Terminal& terminal) {
  LogPrinter printer(terminal, !wanted.one_call);
  const auto on_event = [&](std::string_view name, std::string_view data) {
    if (command.flags.json) {
      terminal.out() << R"({"event":")" << name << R"(","data":)" << data << "}\n" << std::flush;
      return true;
    }
    const auto json = wire::parse_json(data, {.bytes_max = EventReader::event_bytes_max});
    if (!json) return true;
    if (name == "log") printer.print(text_field(*json, "call"), text_field(*json, "text"));
    if (name == "end") show_end(*json, printer);
    if (name == "lost") {
      printer.note(
          "", "[" + std::to_string(count_field(*json, "count")) + " pieces came faster than they were read]");
    }
    printer.flush();
    return !(name == "end" && wanted.one_call);
  };
  EventReader reader(on_event);
  const auto on_line = [&reader](std::string_view line) { return reader.take(line); };
  CANOPY_TRY_VOID(Client(command).follow({.target = wanted.target}, on_line));
  return 0;
}

Result<int> show(const Wanted& wanted, const Command& command, Terminal& terminal) {
  CANOPY_TRY(const auto response, Client(command).ask({.target = wanted.target}));
  LogPrinter printer(terminal, !wanted.one_call);
  if (wanted.one_call) {
    if (command.flags.json) {
      wire::JsonWriter json;
      json.begin_object();
      json.member("call", command.arguments.front());
      json.member("text", response.body);
      json.end_object();
      terminal.out() << json.text() << '\n';
    } else {
      printer.print("", response.body);
    }
    return 0;
  }
  if (command.flags.json) {
    terminal.out() << response.body;
    return 0;
  }
  CANOPY_TRY(const Json answer, wire::parse_json(response.body, {.bytes_max = GiB}));
  if (flag_field(answer, "more")) {
    terminal.err() << "canopy: older logs were left out; canopy logs CALL shows those of one call\n";
  }
  for (const Json& log : list_field(answer, "logs")) {
    const std::string call = text_field(log, "call");
    printer.print(call, text_field(log, "text"));
    if (const std::uint64_t dropped = count_field(log, "dropped_bytes"); dropped > 0) {
      printer.note(call, dropped_note(dropped));
    }
  }
  return 0;
}

}  // namespace

Result<int> logs(Command& command, Terminal& terminal) {
  CANOPY_TRY(const Wanted wanted, read_wanted(command));
  return command.flags.follow ? follow(wanted, command, terminal) : show(wanted, command, terminal);
}

}  // namespace canopy::cli
