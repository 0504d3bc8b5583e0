// The text that Prometheus scrapes: one family of metrics after the other, each with its help and type.

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/call_reply.h"
#include "api/parameters.h"
#include "api/report.h"

namespace canopy::api {
namespace {

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_ += "# HELP ";
    out_ += name;
    out_ += ' ';
    out_ += help;
    out_ += "\n# TYPE ";
    out_ += name;
    out_ += ' ';
    out_ += type;
    out_ += '\n';
  }

  // `labels` is `a="b",c="d"` or nothing. Names of functions need no escaping: model/function.h.
  template <class Value>
  void sample(std::string_view labels, Value value, std::string_view suffix = {}) {
    out_ += name_;
    out_ += suffix;
    if (!labels.empty()) {
      out_ += '{';
      out_ += labels;
      out_ += '}';
    }
    out_ += ' ';
    number(value);
    out_ += '\n';
  }

  void histogram(const std::string& labels, const Histogram& histogram) {
    const std::string before = labels.empty() ? "" : labels + ",";
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < Histogram::ends.size(); ++i) {
      count += histogram.bucket(i);
      sample(before + "le=\"" + seconds(Histogram::ends.at(i)) + "\"", count, "_bucket");
    }
    count += histogram.bucket(Histogram::ends.size());
    sample(before + "le=\"+Inf\"", count, "_bucket");
    sample(labels, histogram.sum(), "_sum");
    sample(labels, count, "_count");
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string seconds(Duration duration) {
    std::array<char, 32> digits{};
    const double value = static_cast<double>(duration.count()) / 1e9;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {digits.data(), end};
  }
  void number(Duration duration) { append_seconds(duration, out_); }
  template <std::integral Integer>
  void number(Integer value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out_.append(digits.data(), end);
  }

  std::string out_;
  std::string name_;
};

std::string label_of(const FunctionName& name) { return "function=\"" + to_text(name) + "\""; }

void add_calls(Text& text, const Report& report) {
  text.family("canopy_calls_total", "counter", "Calls that ended, by function and outcome.");
  for (const auto& [name, counters] : report.functions) {
    const std::string label = label_of(name) + ",outcome=\"";
    text.sample(label + "ok\"", counters.ok_count);
    for (std::size_t i = 0; i < code_count; ++i) {
      if (counters.failed_counts.at(i) == 0) continue;
      text.sample(label + std::string(canopy::name(static_cast<Code>(i))) + "\"",
                  counters.failed_counts.at(i));
    }
  }
  text.family("canopy_call_run_seconds", "histogram",
              "From the first instruction of a call to its reply, by function.");
  for (const auto& [name, counters] : report.functions) text.histogram(label_of(name), counters.run_time);

  const auto per_function = [&](std::string_view family, std::string_view help, auto value) {
    text.family(family, "counter", help);
    for (const auto& [name, counters] : report.functions) text.sample(label_of(name), value(counters));
  };
  per_function("canopy_call_cpu_seconds_total", "Time of calls on a core.",
               [](const CallCounters& counters) { return counters.cpu_time; });
  per_function("canopy_cold_starts_total", "Calls whose function had to be made ready or loaded first.",
               [](const CallCounters& counters) { return counters.cold_count; });
  per_function("canopy_input_bytes_total", "Bytes of input to calls.",
               [](const CallCounters& counters) { return counters.input_bytes; });
  per_function("canopy_output_bytes_total", "Bytes of output of calls.",
               [](const CallCounters& counters) { return counters.output_bytes; });
  per_function("canopy_log_dropped_bytes_total", "Bytes that calls logged beyond what is kept.",
               [](const CallCounters& counters) { return counters.log_dropped_bytes; });

  Histogram queue_time;
  for (const auto& [name, counters] : report.functions) queue_time.add(counters.queue_time);
  text.family("canopy_call_queue_seconds", "histogram",
              "From the arrival of a call to its first instruction.");
  text.histogram("", queue_time);
}

void add_cores(Text& text, const Report& report) {
  const auto per_core = [&](std::string_view family, std::string_view type, std::string_view help,
                            auto value) {
    text.family(family, type, help);
    for (const CoreReport& core : report.cores) {
      text.sample("core=\"" + std::to_string(core.index) + "\"", value(core));
    }
  };
  per_core("canopy_instances", "gauge", "Calls under way, each with an instance of its own.",
           [](const CoreReport& core) { return core.running_count; });
  per_core("canopy_instances_runnable", "gauge", "Instances that stand in line for a turn.",
           [](const CoreReport& core) { return core.runnable_count; });
  per_core("canopy_connections", "gauge", "Open connections.",
           [](const CoreReport& core) { return core.connection_count; });
  per_core("canopy_connections_total", "counter", "Connections accepted.",
           [](const CoreReport& core) { return core.http.connections_accepted; });
  per_core("canopy_connections_refused_total", "counter", "Connections closed at once, being too many.",
           [](const CoreReport& core) { return core.http.connections_refused; });
  per_core("canopy_requests_total", "counter", "Requests of any kind.",
           [](const CoreReport& core) { return core.http.requests; });
  per_core("canopy_templates_resident_bytes", "gauge", "Memory of the modules that are loaded.",
           [](const CoreReport& core) { return core.resident_bytes; });
  per_core("canopy_templates_unloaded_total", "counter", "Modules unloaded to make room for others.",
           [](const CoreReport& core) { return core.unload_count; });
}

void add_durable(Text& text, const Report& report) {
  const store::CallLogStats& log = report.durable;
  const auto one = [&text](std::string_view family, std::string_view type, std::string_view help,
                           auto value) {
    text.family(family, type, help);
    text.sample("", value);
  };
  one("canopy_durable_calls_waiting", "gauge", "Durable calls that wait.", log.waiting_count);
  one("canopy_durable_calls_delayed", "gauge", "Of those, the ones whose next attempt is for later.",
      log.delayed_count);
  one("canopy_durable_calls_running", "gauge", "Durable calls that run.", log.running_count);
  one("canopy_durable_calls_dead", "gauge", "Durable calls that failed and can be retried by hand.",
      log.dead_count);
  const bool waits = log.oldest_queued != WallTime() && report.now > log.oldest_queued;
  one("canopy_durable_oldest_seconds", "gauge", "How long the call next in some line has waited, at most.",
      waits ? report.now - log.oldest_queued : Duration::zero());
  one("canopy_durable_callbacks_waiting", "gauge", "Callbacks that are not delivered yet.",
      log.callbacks_waiting);
  one("canopy_durable_accepted_total", "counter", "Durable calls that were acknowledged.", log.appended);
  text.family("canopy_durable_ended_total", "counter", "Durable calls with an end, by state.");
  text.sample("state=\"COMPLETED\"", log.completed);
  text.sample("state=\"FAILED\"", log.failed);
  text.sample("state=\"CANCELLED\"", log.cancelled);
  one("canopy_durable_retries_total", "counter", "Attempts that failed and are tried again.", log.retried);
  one("canopy_durable_lost_total", "counter", "Attempts whose worker was lost.", log.lost);
  one("canopy_durable_refused_ends_total", "counter", "Ends that came too late and were not recorded.",
      log.refused_ends);
  one("canopy_durable_purged_total", "counter", "Calls that were forgotten after their time.", log.purged);
  one("canopy_durable_batches_total", "counter", "Transactions of the log.", log.batches);
  one("canopy_durable_batch_operations_total", "counter", "What was written in them.", log.batch_operations);
  one("canopy_durable_failed_batches_total", "counter", "Transactions that the disk did not take.",
      log.failed_batches);
  one("canopy_durable_commit_seconds_total", "counter", "Time for the fsyncs of all batches.",
      log.commit_time);
  one("canopy_durable_commit_seconds_max", "gauge", "The longest of the last minute.", log.commit_time_max);
  one("canopy_durable_wal_bytes", "gauge", "What is not yet moved into calls.db.", log.wal_bytes);
  one("canopy_durable_damaged_total", "counter", "Rows that did not fit their checksum.", log.damaged);
  one("canopy_durable_lost_batches", "gauge", "Batches that were missing when the log was opened.",
      log.lost_batches);
  one("canopy_durable_failing", "gauge", "1 while the disk does not take the log.", log.failing ? 1 : 0);
}

void add_traces(Text& text, const Report& report) {
  text.family("canopy_traces_total", "counter",
              "Calls that a collector of traces was told of, or never will be.");
  text.sample("outcome=\"exported\"", report.traces.exported_count);
  text.sample("outcome=\"dropped\"", report.traces.dropped_count);
}

void add_states(Text& text, const Report& report, bool balancers) {
  for (const NodeState state :
       {NodeState::starting, NodeState::ready, NodeState::draining, NodeState::waiting, NodeState::gone}) {
    const auto count = std::ranges::count_if(report.nodes, [state, balancers](const Node& node) {
      return node.state == state && node.balancer == balancers;
    });
    text.sample("state=\"" + std::string(name(state)) + "\"", static_cast<std::uint64_t>(count));
  }
}

// Those of the report, each name once: one that has joined may be called as one that was started here, and
// two samples of one name have all of the text refused.
std::vector<const Node*> named(const Report& report, bool balancers) {
  std::vector<const Node*> nodes;
  std::set<std::string_view> names;
  for (const Node& node : report.nodes) {
    if (node.balancer == balancers && names.insert(node.name).second) nodes.push_back(&node);
  }
  return nodes;
}

// Balancers have names of their own: who sums up the calls of all workers counts none twice.
void add_balancers(Text& text, const Report& report) {
  const auto nodes = named(report, true);
  if (nodes.empty()) return;
  text.family("canopy_balancers", "gauge", "Balancers that have joined, here or further down, by state.");
  add_states(text, report, true);
  text.family("canopy_balancer_calls", "gauge", "Calls under way below that balancer.");
  for (const Node* const node : nodes) {
    text.sample("balancer=\"" + node->name + "\"", node->running_count);
  }
}

void add_workers(Text& text, const Report& report) {
  text.family("canopy_workers", "gauge", "Worker processes, by state.");
  add_states(text, report, false);
  const auto nodes = named(report, false);
  const auto per_worker = [&](std::string_view family, std::string_view type, std::string_view help,
                              auto value) {
    if (nodes.empty()) return;
    text.family(family, type, help);
    for (const Node* const node : nodes) text.sample("worker=\"" + node->name + "\"", value(*node));
  };
  per_worker("canopy_worker_calls", "gauge", "Calls under way in that worker.",
             [](const Node& node) { return node.running_count; });
  per_worker("canopy_worker_restarts_total", "counter", "How often its process ended and was started again.",
             [](const Node& node) { return node.restart_count; });
  per_worker("canopy_worker_resident_bytes", "gauge", "Memory of its process.",
             [](const Node& node) { return node.resident_bytes; });
  text.family("canopy_dispatch", "gauge", "1 for the way that calls are dispatched now.");
  for (const policy::Dispatch way :
       {policy::Dispatch::local, policy::Dispatch::push, policy::Dispatch::pull}) {
    text.sample("way=\"" + std::string(policy::to_text(way)) + "\"", report.dispatch == way ? 1 : 0);
  }
}

}  // namespace

std::string metrics_text(const Report& report, std::string_view program_version) {
  Text text;
  if (report.late_count == 0) add_calls(text, report);
  add_cores(text, report);
  add_durable(text, report);
  add_traces(text, report);
  add_workers(text, report);
  add_balancers(text, report);
  text.family("canopy_cores_late", "gauge",
              "Cores that did not answer in time: their metrics, and all sums over cores, are left out now.");
  text.sample("", report.late_count);
  text.family("canopy_functions", "gauge", "Functions deployed.");
  text.sample("", report.deployed_count);
  text.family("canopy_records", "gauge", "Records of ended calls that are kept.");
  text.sample("", report.record_count);
  text.family("canopy_followers", "gauge", "Clients that follow logs or events.");
  text.sample("", report.follower_count);
  text.family("canopy_uptime_seconds", "gauge", "Time since the start.");
  text.sample("", report.uptime);
  text.family("canopy_draining", "gauge", "1 while the server finishes what runs before it stops.");
  text.sample("", report.draining ? 1 : 0);
  text.family("canopy_build_info", "gauge", "1, with the version of the program.");
  std::string version;
  for (const char c : program_version) {
    if (c != '"' && c != '\\' && c != '\n') version += c;
  }
  text.sample("version=\"" + version + "\"", 1);
  return text.take();
}

net::Task<net::HttpResponse> metrics(const Here& here, net::HttpExchange& exchange) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const Report report = co_await make_report(here);
  net::HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = metrics_text(report, here.platform.program_version);
  co_return response;
}

}  // namespace canopy::api
