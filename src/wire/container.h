#pragma once
// What a person says of a container function besides what all functions have: the map `container:` of its
// manifest.
//
//   container:
//     contract: http          or grpc: as functions of HyperFaaS; or command: a fresh container for each call
//     command: [/app, --fast] instead of the image's own
//     port: 8080              where its server listens, told in $PORT; 50052 with grpc, and not told there
//     concurrency: 64         calls at once in one container
//     instances: 0..8         containers at once
//     queue: 1000             calls that wait for one
//     cpu: 1                  cores
//     cpu_period: 100ms       of which it gets `cpu` times so much
//     processes: 128          and threads; 64, and one for each call at once, if it is not said
//     idle: 60s               without a call, until a container is stopped
//     start: 10s              until its server listens
//     ready: port             or signal: when it says so itself, as functions of HyperFaaS do
//
// A function keeps them in its environment, under one name, as fetch does with its hosts.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "wire/yaml.h"

namespace canopy::wire {

struct ContainerSettings {
  enum class Contract : std::uint8_t { http, command, grpc };
  enum class Ready : std::uint8_t { port, signal };

  Contract contract = Contract::http;
  std::vector<std::string> command;
  std::uint16_t port = 8080;
  std::uint32_t concurrency = 64;
  std::uint32_t instances_min = 0;
  std::uint32_t instances_max = 8;
  std::uint32_t queue = 1000;
  std::uint32_t cpu_percent = 100;  // Of one core.
  Duration cpu_period = std::chrono::milliseconds(100);
  std::uint32_t processes = 0;  // And threads; 0: 64, and one for each call at once.
  Duration idle = std::chrono::seconds(60);
  Duration start = std::chrono::seconds(10);
  Ready ready = Ready::port;

  bool operator==(const ContainerSettings&) const = default;
};

// Where functions of HyperFaaS listen.
inline constexpr std::uint16_t grpc_function_port = 50052;
// What in their answers follows the body stands among the headers of the reply, with this before its name.
inline constexpr std::string_view grpc_trailer_mark = "Grpc-Trailer-";

inline constexpr std::string_view container_variable = "CANOPY_CONTAINER";

// `node` is the map, or a text that is one. Messages begin with file and place.
//   invalid
Result<ContainerSettings> read_container(const YamlNode& node, std::string_view file);

// Those of a function with this environment; the defaults where it says nothing.
//   invalid
Result<ContainerSettings> container_settings(const std::map<std::string, std::string>& env);

// Where such a container says that it is ready: a port of its own loopback.
std::uint16_t signal_port(const ContainerSettings& settings);

// How many processes and threads a container may have.
std::uint32_t processes_max(const ContainerSettings& settings);

// What a container gets of the CPU, on all cores together: `quota` of each `period`. The kernel counts no
// less than a millisecond, so that the period is longer than asked for where the share is small.
struct CpuShare {
  Duration period{};
  Duration quota{};
};
CpuShare cpu_share(const ContainerSettings& settings);

// As JSON that read_container() reads again.
std::string to_json(const ContainerSettings& settings);

}  // namespace canopy::wire
