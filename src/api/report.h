#pragma once
// The numbers of the whole server at about one moment: each core is asked for its own, and they are added up.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "api/counters.h"
#include "api/here.h"
#include "net/http_server.h"
#include "net/task.h"
#include "policy/dispatch.h"
#include "store/call_log.h"
#include "trace/exporter.h"

namespace canopy::api {

struct CoreReport {
  std::size_t index = 0;
  std::size_t running_count = 0;   // Calls that are under way.
  std::size_t waiting_count = 0;   // Of what takes turns, what waits.
  std::size_t runnable_count = 0;  // And what stands in line.
  std::size_t connection_count = 0;
  net::HttpServerCounts http;
  std::uint64_t resident_bytes = 0;  // Of loaded modules.
  std::uint64_t unload_count = 0;
  std::vector<std::pair<FunctionName, CallCounters>> functions;
};

struct Report {
  std::vector<CoreReport> cores;
  std::size_t late_count = 0;                      // Cores that did not answer, and are not among them.
  std::map<FunctionName, CallCounters> functions;  // Over all cores; empty where one is late.
  store::CallLogStats durable;
  trace::ExporterStats traces;
  std::size_t deployed_count = 0;
  std::size_t record_count = 0;
  std::size_t follower_count = 0;
  Duration uptime{};
  WallTime now{};
  bool draining = false;
  std::vector<Node> nodes;           // Workers: those of this machine first.
  std::size_t own_worker_count = 0;  // Of them, so many are.
  policy::Dispatch dispatch = policy::Dispatch::local;
};

net::Task<Report> make_report(const Here& here);

// GET /metrics, in the text format of Prometheus.
net::Task<net::HttpResponse> metrics(const Here& here, net::HttpExchange& exchange);
std::string metrics_text(const Report& report, std::string_view program_version);

// GET /debug/state: the same numbers, and what runs, as JSON for people.
net::Task<net::HttpResponse> debug_state(const Here& here, net::HttpExchange& exchange);

}  // namespace canopy::api
