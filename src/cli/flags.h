#pragma once
// What the flags of all verbs are read into. A verb's row in verbs.cc says which of them it has; a flag of
// one name means the same everywhere.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "options/node_options.h"
#include "options/options.h"

namespace canopy::cli {

// Empty or 0: it was not said.
struct Flags {
  // Every verb that talks to a server
  std::string url = "http://127.0.0.1:8080";
  bool json = false;

  // Functions
  std::string name;
  std::string runtime;
  std::uint64_t memory_bytes = 0;
  Duration timeout{};
  std::uint64_t concurrency = 0;
  std::uint64_t keep_warm = 0;
  std::vector<std::string> env;
  std::vector<std::string> files;
  std::string output;
  bool container = false;
  std::string manifest = "canopy.yaml";
  bool dry_run = false;
  std::uint64_t to_version = 0;
  bool names_only = false;

  // Calls
  std::string data;
  bool has_data = false;  // Even if it is empty.
  std::vector<std::string> headers;
  std::string method = "POST";
  std::string path;
  bool async = false;
  std::string state;
  std::uint64_t limit = 20;

  // Logs
  bool follow = false;
  Duration since{};
  std::uint64_t tail = 0;
  bool has_tail = false;  // Even if it is 0.

  // Access
  std::string role;
  std::vector<std::string> namespaces;
  std::vector<std::string> quotas;
  std::string password_file;
  bool disable = false;
  bool enable = false;
  std::string user;
  std::string label;
  Duration expires{};
  bool by_day = false;

  // run
  std::vector<std::string> folders;
  Duration time{};

  // up: a table of its own, which the server reads.
  Options server;

  // node: likewise a table of its own.
  NodeSettings node;

  // dispatch
  std::string function;

  // cert
  std::string folder = "certs";
};

}  // namespace canopy::cli
