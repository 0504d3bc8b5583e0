#include "options/node_options.h"

#include <array>
#include <string_view>

#include "base/log.h"
#include "model/function.h"

namespace canopy {
namespace {

constexpr std::array<std::string_view, 5> roles = {"", "worker", "balancer", "balancer,worker", "gateway"};
constexpr std::array<std::string_view, 4> container_engines = {"auto", "runc", "docker", "off"};
constexpr std::size_t parents_max = 16;
constexpr std::array<std::string_view, 6> log_levels = {"trace", "debug", "info", "warning", "error", "off"};
constexpr std::size_t core_suffix_size = 5;  // "-1024" behind the name.

tl::unexpected<Error> refuse(std::string message) { return fail(Code::invalid, std::move(message)); }

}  // namespace

std::vector<OptionRow> node_option_rows(NodeSettings& s) {
  constexpr Duration a_millisecond = std::chrono::milliseconds(1);
  constexpr Duration an_hour = std::chrono::hours(1);
  constexpr std::uint64_t most_bytes = std::uint64_t{1} << 50U;
  return {
      {"role", "ROLE", ChoiceSetting{&s.role, roles},
       "What this process is. worker: runs calls. balancer: has workers and other balancers join it, and "
       "gives them the calls that it gets. balancer,worker: both.",
       ""},
      {"join", "HOST:PORT", &s.join,
       "The server's --node-listen, or a balancer's --listen; several, separated by commas: the next is "
       "tried where one cannot be joined.",
       ""},
      {"listen", "HOST:PORT", &s.listen, "Where nodes join this balancer.", ""},
      {"tls-cert", "FILE", &s.tls_cert,
       "A balancer's certificate, PEM, with the chain to the root. With it, TLS is spoken at --listen.", ""},
      {"tls-key", "FILE", &s.tls_key, "Its private key, PEM.", ""},
      {"node-ca", "FILE", &s.node_ca,
       "Certificates, PEM: who joins this balancer shows one that one of them signed.", ""},
      {"placement", "RULE", ChoiceSetting{&s.placement, placement_rules},
       "Which of those below gets a call: locality (the least loaded, where one that would have to load the "
       "function counts as two calls more), least-loaded, round-robin, most-recently-used or "
       "consistent-hash.",
       ""},
      {"silence", "DURATION",
       DurationSetting{.duration = &s.silence, .min = std::chrono::seconds(1), .max = an_hour},
       "A node below that says nothing for so long is cut off. It gets no calls after one second.", ""},
      {"token-file", "FILE", &s.token_file,
       "The server's join token, node.token in its data folder; if not said, CANOPY_JOIN_TOKEN has it.", ""},
      {"name", "NAME", &s.name, "What it is called; if not said, after the machine.", ""},
      {"slots", "N", CountSetting{.count = &s.slots, .min = 1, .max = 1'000'000},
       "Calls that it runs at once.", ""},
      {"cores", "N", CountSetting{.count = &s.core_count, .max = 1024},
       "Cores to run on; 0 takes all there are. Each joins by itself, with its share of the slots.", ""},
      {"data", "FOLDER", &s.data, "Where it keeps code, and what it makes of it; this node's alone.", ""},
      {"code-cache", "SIZE", SizeSetting{.bytes = &s.code_cache_bytes, .min = MiB, .max = most_bytes},
       "How much code it keeps; what was used longest ago goes first.", ""},
      {"templates-bytes", "SIZE", SizeSetting{.bytes = &s.templates_bytes_max, .max = most_bytes},
       "Memory for functions that are loaded.", ""},
      {"compile-jobs", "N", CountSetting{.count = &s.compile_jobs, .min = 1, .max = 256},
       "Modules that are compiled at once, each in a process of its own.", ""},
      {"compile-timeout", "DURATION",
       DurationSetting{.duration = &s.compile_timeout, .min = a_millisecond, .max = an_hour},
       "How long a module may take to compile and initialise.", ""},
      {"compile-memory", "SIZE",
       SizeSetting{.bytes = &s.compile_memory_bytes, .min = 64 * MiB, .max = most_bytes},
       "How much memory a module may take to compile and initialise.", ""},
      {"slice", "DURATION",
       DurationSetting{
           .duration = &s.slice, .min = std::chrono::microseconds(100), .max = std::chrono::seconds(1)},
       "How long a call runs before others on its core get a turn.", ""},
      {"drain-timeout", "DURATION", DurationSetting{.duration = &s.drain_timeout, .max = an_hour},
       "How long running calls may take to end after SIGTERM.", ""},
      {"fetch-private", "", &s.fetch_private,
       "Lets functions fetch from this machine and from private networks too.", ""},
      {"python", "PROGRAM", &s.python, "The interpreter for functions in Python.", ""},
      {"python-path", "FOLDERS", &s.python_path,
       "Folders that Python functions may import from, separated by colons as in PYTHONPATH.", ""},
      {"container-engine", "ENGINE", ChoiceSetting{&s.container_engine, container_engines},
       "What starts the containers of container functions: runc, docker, auto for the first of the two that "
       "works here, or off for none.",
       ""},
      {"runc", "PROGRAM", &s.runc, "The program runc.", ""},
      {"docker-socket", "PATH", &s.docker_socket, "Where Docker listens.", ""},
      {"containers-max", "N", CountSetting{.count = &s.containers_max, .min = 1, .max = 100'000},
       "Containers at once, of all functions.", ""},
      {"user", "NAME", &s.user, user_help, ""},
      {"wall-memory", "SIZE", SizeSetting{.bytes = &s.wall_memory_bytes, .max = wall_memory_max},
       wall_memory_help, ""},
      {"wall-tasks", "N", CountSetting{.count = &s.wall_tasks, .max = wall_tasks_max}, wall_tasks_help, ""},
      {"log-level", "LEVEL", ChoiceSetting{&s.log_level, log_levels},
       "What it says of itself: trace, debug, info, warning, error or off.", ""},
  };
}

bool is_balancer(const NodeSettings& settings) { return settings.role.starts_with("balancer"); }
bool is_worker(const NodeSettings& settings) { return settings.role.ends_with("worker"); }

Result<std::vector<ListenAddress>> check_node_settings(const NodeSettings& settings) {
  if (settings.role.empty()) return refuse("say what this node is: --role=worker or --role=balancer");
  if (settings.role == "gateway") {
    return refuse("a server for nodes to join is canopy up --node-listen=HOST:PORT");
  }
  if (is_balancer(settings) != !settings.listen.empty()) {
    return refuse(is_balancer(settings) ? "say where nodes join this balancer: --listen=HOST:PORT"
                                        : "--listen is a balancer's; a worker has nobody who joins it");
  }
  if (settings.tls_cert.empty() != settings.tls_key.empty()) {
    return refuse("--tls-cert and --tls-key belong together");
  }
  if (!settings.tls_cert.empty() && !is_balancer(settings)) {
    return refuse(
        "--tls-cert is a balancer's; what a worker shows is in CANOPY_JOIN_CERT and CANOPY_JOIN_KEY");
  }
  if (!settings.node_ca.empty() && settings.tls_cert.empty()) {
    return refuse("--node-ca asks for certificates, which takes TLS: give --tls-cert and --tls-key, too");
  }
  if (settings.join.empty()) {
    return refuse("say which server it joins: --join=HOST:PORT, with what that server has as --node-listen");
  }
  std::vector<ListenAddress> parents;
  for (std::string_view rest = settings.join; !rest.empty();) {
    const std::size_t comma = rest.find(',');
    CANOPY_TRY(ListenAddress address, parse_listen(std::string(rest.substr(0, comma)), "join"));
    if (address.port == 0) return refuse("--join=" + log_safe(settings.join, 300) + ": port 0 is nobody's");
    parents.push_back(std::move(address));
    if (parents.size() > parents_max) {
      return refuse("--join has more than " + std::to_string(parents_max) + " addresses");
    }
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  const bool fits = settings.name.size() + core_suffix_size <= name_part_size_max;
  if (!settings.name.empty() && !(is_name_part(settings.name) && fits)) {
    return refuse("--name=" + log_safe(settings.name, 100) +
                  " is no name: letters, digits, '-', '_' and '.', at most " +
                  std::to_string(name_part_size_max - core_suffix_size));
  }
  if (settings.data.empty()) return refuse("--data needs a folder: write --data=FOLDER");
  return parents;
}

}  // namespace canopy
