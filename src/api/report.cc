#include "api/report.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/ask.h"
#include "api/gateway.h"
#include "api/nodes.h"
#include "api/parameters.h"
#include "wall/read_walls.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

void write_core(wire::JsonWriter& json, const CoreReport& core) {
  json.begin_object();
  json.member("core", core.index);
  json.member("calls_running", core.running_count);
  json.member("turns_waiting", core.waiting_count);
  json.member("turns_runnable", core.runnable_count);
  json.member("connections", core.connection_count);
  json.member("connections_accepted", core.http.connections_accepted);
  json.member("connections_refused", core.http.connections_refused);
  json.member("requests", core.http.requests);
  json.member("templates_resident_bytes", core.resident_bytes);
  json.member("templates_unloaded", core.unload_count);
  json.member("functions_called", core.functions.size());
  json.end_object();
}

}  // namespace

net::Task<Report> make_report(const Here& here) {
  const std::function<CoreReport(exec::Core&)> question = [&platform = here.platform](exec::Core& core) {
    return platform.gateways[core.index()]->report();
  };
  Report report;
  auto answers = co_await ask_all<CoreReport>(here.core, here.platform.cores, question);
  report.cores = std::move(answers.values);
  report.late_count = answers.late_count;
  for (const CoreReport& core : report.cores) {
    if (report.late_count > 0)
      break;  // A sum that lacks a core would be wrong, and look as if it had shrunk.
    for (const auto& [name, counters] : core.functions) report.functions[name].add(counters);
  }
  report.deployed_count = here.platform.catalog.snapshot()->functions.size();
  report.record_count = here.platform.records.size();
  report.durable = here.platform.call_log->stats();
  if (here.platform.traces != nullptr) report.traces = here.platform.traces->stats();
  report.follower_count = here.platform.feed.follower_count();
  report.uptime = here.platform.clock.now() - here.platform.started;
  report.now = here.platform.clock.wall_now();
  report.draining = here.platform.draining;
  if (here.platform.fleet != nullptr) report.nodes = here.platform.fleet->nodes();
  report.own_worker_count = report.nodes.size();
  if (const scale::Cluster* const cluster = here.platform.cluster) {
    std::ranges::move(cluster->nodes(), std::back_inserter(report.nodes));
    report.dispatch = cluster->rules().mode;
  }
  co_return report;
}

net::Task<net::HttpResponse> debug_state(const Here& here, net::HttpExchange& exchange) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  Report report = co_await make_report(here);
  wire::JsonWriter json;
  json.begin_object();
  json.member("version", here.platform.program_version);
  json.member("uptime_seconds", report.uptime);
  json.member("draining", report.draining);
  json.member("functions_deployed", report.deployed_count);
  json.member("records", report.record_count);
  json.member("followers", report.follower_count);
  json.member("durable_calls_waiting", report.durable.waiting_count);
  json.member("durable_calls_running", report.durable.running_count);
  json.member("durable_calls_dead", report.durable.dead_count);
  json.member("durable_log_failing", report.durable.failing);
  json.key("runtimes");
  json.begin_array();
  for (const auto& [name, runtime] : here.platform.runtimes) json.value(name);
  json.end_array();
  json.key("walls");
  json.raw(walls_json(wall::read_own_walls()));
  json.member("dispatch", policy::to_text(report.dispatch));
  json.member("cores_late", report.late_count);
  json.key("workers");
  json.begin_array();
  for (std::size_t i = 0; i < report.nodes.size(); ++i) {
    Node& node = report.nodes[i];
    // Of others their word counts: what they say is their process is a number of another kernel's.
    if (i < report.own_worker_count && node.process != 0) {
      Walls walls = wall::read_walls_of(static_cast<pid_t>(node.process), wall::FilterKind::worker);
      if (!walls.user.empty()) node.walls = std::make_shared<const Walls>(std::move(walls));
    }
    json.raw(node_json(node));
  }
  json.end_array();
  json.key("cores");
  json.begin_array();
  for (const CoreReport& core : report.cores) write_core(json, core);
  json.end_array();
  json.end_object();
  co_return json_response(json.take_text());
}

}  // namespace canopy::api
