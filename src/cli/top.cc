#include "cli/top.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

#include <boost/json/serialize.hpp>
#include <poll.h>

#include "cli/client.h"
#include "cli/signals.h"
#include "cli/text_table.h"
#include "wire/json_writer.h"

namespace canopy::cli {
namespace {

constexpr int period_ms = 1000;
constexpr std::size_t shown_max = 30;
constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";

struct Sample {
  Json state;
  std::map<std::string, FunctionCounts> functions;
  bool complete = true;  // Else a core was late, and the functions are left out.
  Time at{};
};

struct Row {
  std::string function;
  double calls = 0;  // All per second.
  double errors = 0;
  double run_ms = 0;  // Mean of a call.
  double cores = 0;   // Seconds of a core per second.
};

// The value of a label in `name{a="x",b="y"}`; names of functions have nothing that is escaped.
std::string_view label(std::string_view line, std::string_view name) {
  const std::string key = std::string(name) + "=\"";
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + key.size());
  return line.substr(0, line.find('"'));
}

double value_of(std::string_view line) {
  double value = 0;
  line.remove_prefix(std::min(line.rfind(' ') + 1, line.size()));
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

bool shows_late_cores(std::string_view metrics) {
  constexpr std::string_view family = "\ncanopy_cores_late ";
  const std::size_t at = metrics.find(family);
  return at != std::string_view::npos && metrics.substr(at + family.size(), 2) != "0\n";
}

Result<Sample> take_sample(const Client& client, const Clock& clock) {
  Sample sample;
  CANOPY_TRY(sample.state, client.ask_json({.target = "/debug/state"}));
  CANOPY_TRY(const auto metrics, client.ask({.target = "/metrics"}));
  sample.functions = read_counts(metrics.body);
  sample.complete = count_field(sample.state, "cores_late") == 0 && !shows_late_cores(metrics.body);
  sample.at = clock.now();
  return sample;
}

std::vector<Row> compare(const Sample& before, const Sample& after) {
  const double seconds = std::max(std::chrono::duration<double>(after.at - before.at).count(), 1e-3);
  std::vector<Row> rows;
  if (!before.complete || !after.complete) return rows;
  for (const auto& [name, now] : after.functions) {
    const auto at = before.functions.find(name);
    const FunctionCounts old = at == before.functions.end() ? FunctionCounts() : at->second;
    if (now.calls <= old.calls) continue;
    const auto calls = static_cast<double>(now.calls - old.calls);
    rows.push_back({.function = name,
                    .calls = calls / seconds,
                    .errors = static_cast<double>(now.errors - std::min(old.errors, now.errors)) / seconds,
                    .run_ms = 1000 * (now.run_seconds - old.run_seconds) / calls,
                    .cores = (now.cpu_seconds - old.cpu_seconds) / seconds});
  }
  std::ranges::sort(rows, [](const Row& a, const Row& b) { return a.calls > b.calls; });
  return rows;
}

std::string decimal(double value, int digits) {
  char text[64];
  const auto end = std::to_chars(std::begin(text), std::end(text), value, std::chars_format::fixed, digits);
  return {text, end.ptr};
}

// One that is below others stands below them, further in: "mid/leaf/one" as "    one".
std::string tree_name(const std::string& name) {
  const auto depth = static_cast<std::size_t>(std::ranges::count(name, '/'));
  return std::string(2 * depth, ' ') + name.substr(name.rfind('/') + 1);
}

void print(const Sample& sample, const std::vector<Row>& rows, Terminal& terminal) {
  const Json& state = sample.state;
  terminal.out() << terminal.bold("canopy " + text_field(state, "version")) << "  up "
                 << short_seconds(number_field(state, "uptime_seconds")) << "  functions "
                 << count_field(state, "functions_deployed") << "  dispatch " << text_field(state, "dispatch")
                 << (flag_field(state, "draining") ? terminal.yellow("  draining") : "") << "\n\n";
  TextTable cores({"CORE", "RUNNING", "RUNNABLE", "CONNECTIONS", "REQUESTS", "LOADED"});
  for (const Json& core : list_field(state, "cores")) {
    const auto count = [&core](std::string_view key) { return std::to_string(count_field(core, key)); };
    cores.add({count("core"), count("calls_running"), count("turns_runnable"), count("connections"),
               count("requests"), short_size(count_field(core, "templates_resident_bytes"))});
  }
  cores.print(terminal);
  terminal.out() << "\ndurable calls  " << count_field(state, "durable_calls_running") << " run, "
                 << count_field(state, "durable_calls_waiting") << " wait\n\n";
  if (const auto& workers = list_field(state, "workers"); !workers.empty()) {
    TextTable table({"NODE", "STATE", "PID", "RUNNING", "SLOTS", "RESTARTS", "RESIDENT", "ADDRESS"});
    for (const Json& worker : workers) {
      const auto count = [&worker](std::string_view key) { return std::to_string(count_field(worker, key)); };
      table.add({tree_name(text_field(worker, "name")), text_field(worker, "state"), count("pid"),
                 count("running"), worker.as_object().contains("slots") ? count("slots") : "",
                 count("restarts"), short_size(count_field(worker, "resident_bytes")),
                 text_field(worker, "address")});
    }
    table.print(terminal);
    terminal.out() << '\n';
  }
  TextTable functions({"FUNCTION", "CALLS/S", "ERRORS/S", "MEAN MS", "CORES"});
  for (const Row& row : std::span(rows).first(std::min(rows.size(), shown_max))) {
    functions.add({row.function, decimal(row.calls, 1), decimal(row.errors, 1), decimal(row.run_ms, 3),
                   decimal(row.cores, 2)});
  }
  if (!sample.complete) {
    terminal.out() << terminal.yellow("a core is late, so the calls are not known now") << '\n';
  } else if (functions.empty()) {
    terminal.out() << "no calls now\n";
  } else {
    functions.print(terminal);
    if (rows.size() > shown_max)
      terminal.out() << "and " << rows.size() - shown_max << " more with fewer calls\n";
  }
  terminal.out() << std::flush;
}

void print_json(const Sample& sample, const std::vector<Row>& rows, Terminal& terminal) {
  wire::JsonWriter json;
  json.begin_object();
  json.key("functions");
  json.begin_array();
  for (const Row& row : rows) {
    json.begin_object();
    json.member("function", row.function);
    json.member("calls_per_second", row.calls);
    json.member("errors_per_second", row.errors);
    json.member("mean_run_ms", row.run_ms);
    json.member("cores", row.cores);
    json.end_object();
  }
  json.end_array();
  for (const std::string_view list : {"cores", "workers"}) {  // As /debug/state has them.
    json.key(list);
    json.raw(boost::json::serialize(list_field(sample.state, list)));
  }
  json.end_object();
  terminal.out() << json.text() << '\n';
}

// False when it was told to stop.
bool wait_a_period(const StopSignals& signals) {
  pollfd stop{.fd = signals.descriptor(), .events = POLLIN, .revents = 0};
  return poll(&stop, 1, period_ms) == 0;
}

}  // namespace

std::map<std::string, FunctionCounts> read_counts(std::string_view metrics) {
  std::map<std::string, FunctionCounts> counts;
  while (!metrics.empty()) {
    const std::size_t end = metrics.find('\n');
    const std::string_view line = metrics.substr(0, end);
    metrics = end == std::string_view::npos ? std::string_view() : metrics.substr(end + 1);
    const std::string_view family = line.substr(0, line.find('{'));
    const std::string_view function = label(line, "function");
    if (function.empty()) continue;
    if (family == "canopy_calls_total") {
      FunctionCounts& known = counts[std::string(function)];
      const auto value = static_cast<std::uint64_t>(std::max(value_of(line), 0.0));
      known.calls += value;
      if (label(line, "outcome") != "ok") known.errors += value;
    } else if (family == "canopy_call_run_seconds_sum") {
      counts[std::string(function)].run_seconds = value_of(line);
    } else if (family == "canopy_call_cpu_seconds_total") {
      counts[std::string(function)].cpu_seconds = value_of(line);
    }
  }
  return counts;
}

Result<int> top(Command& command, Terminal& terminal) {
  const StopSignals signals;
  const Client client(command);
  // A terminal is shown it again and again; whoever else reads gets one second of it.
  const bool goes_on = terminal.out_is_terminal() && !command.flags.json;
  CANOPY_TRY(Sample before, take_sample(client, command.clock));
  if (goes_on) terminal.out() << clear_screen;
  if (goes_on) print(before, {}, terminal);
  while (wait_a_period(signals)) {
    CANOPY_TRY(Sample after, take_sample(client, command.clock));
    const std::vector<Row> rows = compare(before, after);
    if (command.flags.json) {
      print_json(after, rows, terminal);
      return 0;
    }
    if (goes_on) terminal.out() << clear_screen;
    print(after, rows, terminal);
    if (!goes_on) return 0;
    before = std::move(after);
  }
  terminal.out() << '\n';
  return 0;
}

}  // namespace canopy::cli
