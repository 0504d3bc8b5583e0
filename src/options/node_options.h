#pragma once
// Every setting of `canopy node`, once: in this struct, and in a row of the table.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "options/options.h"
#include "options/table.h"

namespace canopy {

struct NodeSettings {
  std::string role;
  std::string join;
  std::string listen;  // A balancer's.
  std::string tls_cert;
  std::string tls_key;
  std::string node_ca;
  std::string placement = "locality";
  Duration silence = std::chrono::seconds(5);
  std::string token_file;
  std::string name;  // "": made from the machine's.
  std::uint64_t slots = 64;
  std::uint64_t core_count = 1;
  std::string data = ".canopy-node";
  std::uint64_t code_cache_bytes = GiB;
  std::uint64_t templates_bytes_max = GiB;
  std::uint64_t compile_jobs = 1;
  std::uint64_t compile_memory_bytes = 2 * GiB;
  Duration compile_timeout = std::chrono::seconds(60);
  Duration slice = std::chrono::milliseconds(1);
  Duration drain_timeout = std::chrono::seconds(30);
  bool fetch_private = false;
  std::string python = "python3";
  std::string python_path;
  std::string container_engine = "auto";
  std::string runc = "runc";
  std::string docker_socket = "/var/run/docker.sock";
  std::uint64_t containers_max = 64;
  std::string log_level = "info";
  std::string user;                     // "": who started it.
  std::uint64_t wall_memory_bytes = 0;  // 0: no limit.
  std::uint64_t wall_tasks = 0;         // Likewise.
};

// The table, bound to `settings`, which outlives it.
std::vector<OptionRow> node_option_rows(NodeSettings& settings);

bool is_balancer(const NodeSettings& settings);
bool is_worker(const NodeSettings& settings);

// Where to join, taken apart: one address or more.
//   invalid  a role that there is not; no address to join; a balancer that does not listen; a name that is
//            none; no folder
Result<std::vector<ListenAddress>> check_node_settings(const NodeSettings& settings);

}  // namespace canopy
