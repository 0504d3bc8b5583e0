#include "api/nodes.h"

#include <bit>
#include <fstream>

#include <unistd.h>

#include "api/call_reply.h"
#include "api/parameters.h"
#include "api/report.h"
#include "wire/json_writer.h"

namespace canopy::api {
namespace {

std::uint64_t own_resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t pages = 0;
  file >> size >> pages;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void write_node(wire::JsonWriter& json, const Node& node, std::string_view role) {
  json.begin_object();
  json.member("name", node.name);
  json.member("role", role);
  json.member("state", name(node.state));
  json.key("pid");
  node.process == 0 ? json.null() : json.value(node.process);
  json.member("running", node.running_count);
  json.member("restarts", node.restart_count);
  json.member("resident_bytes", node.resident_bytes);
  json.member("since", node.since);
  if (!node.address.empty()) {
    json.member("address", node.address);
    json.member("slots", node.slot_count);
  }
  if (!node.last_end.empty()) json.member("last_end", node.last_end);
  if (node.walls) {
    json.key("walls");
    json.raw(walls_json(*node.walls));
  }
  json.end_object();
}

// {"held": false, "reason": …} where it does not.
void write_limit(wire::JsonWriter& json, std::string_view name, std::uint64_t limit, const Walls& walls) {
  json.key(name);
  json.begin_object();
  json.member("held", limit != 0);
  if (limit != 0) {
    json.member("limit", limit);
  } else {
    json.member("reason",
                walls.no_group.empty() ? std::string_view("no limit was asked for") : walls.no_group);
  }
  json.end_object();
}

std::string_view role_of(const Node& node) { return node.balancer ? "balancer" : "worker"; }

Node describe_gateway(const Platform& platform) {
  const Duration uptime = platform.clock.now() - platform.started;
  return {.name = "gateway",
          .process = getpid(),
          .state = platform.draining ? NodeState::draining : NodeState::ready,
          .resident_bytes = own_resident_bytes(),
          .since = platform.clock.wall_now() - uptime,
          .last_end = {}};
}

}  // namespace

std::string node_json(const Node& node) {
  wire::JsonWriter json;
  write_node(json, node, role_of(node));
  return json.take_text();
}

std::string walls_json(const Walls& walls) {
  wire::JsonWriter json;
  json.begin_object();
  json.member("user", walls.user);
  json.member("capabilities", std::popcount(walls.capabilities));
  json.member("no_new_privileges", walls.no_new_privileges);
  json.key("seccomp");
  walls.filter.empty() ? json.null() : json.value(walls.filter);
  write_limit(json, "memory", walls.memory_max_bytes, walls);
  write_limit(json, "tasks", walls.tasks_max, walls);
  json.key("missing");
  json.begin_array();
  for (const std::string& sentence : missing_walls(walls)) json.value(sentence);
  json.end_array();
  json.end_object();
  return json.take_text();
}

net::Task<net::HttpResponse> list_nodes(const Here& here, net::HttpExchange& exchange) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const Report report = co_await make_report(here);
  Node gateway = describe_gateway(here.platform);
  if (here.platform.fleet == nullptr) {
    for (const CoreReport& core : report.cores) gateway.running_count += core.running_count;
  }
  wire::JsonWriter json;
  json.begin_object();
  json.key("nodes");
  json.begin_array();
  write_node(json, gateway, "gateway");
  for (const Node& node : report.nodes) write_node(json, node, role_of(node));
  json.end_array();
  json.end_object();
  co_return json_response(json.take_text());
}

}  // namespace canopy::api
