#pragma once
// A whole node: this process runs calls for a gateway or a balancer that it joins, on all cores it is given.
// Each core belongs to that by itself, with its share of the slots, so none waits for another.
//
// A balancer joins in the same way and runs none: it listens for nodes of its own, and gives the calls to
// them.
//
// Threads: all methods from one thread that is none of its own.
// Life:    the clock outlives it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "balance/code_cache.h"
#include "base/clock.h"
#include "base/error.h"
#include "exec/core.h"
#include "exec/runtime.h"
#include "model/walls.h"
#include "net/blocking_pool.h"
#include "net/tls_session.h"
#include "policy/place.h"

namespace canopy::balance {

struct Parent {
  std::string host;
  std::uint16_t port = 0;
  std::shared_ptr<const net::TlsContext> tls;  // Null: it speaks none.
};

// Where a balancer listens.
struct BalancerOptions {
  std::string host;
  std::uint16_t port = 0;
  std::shared_ptr<const net::TlsContext> tls;  // Null: it speaks none.
  policy::Placement placement = policy::Placement::locality;
  Duration silence_max = std::chrono::seconds(5);
};

struct NodeOptions {
  std::vector<Parent> parents;  // At least one; the next is tried where one cannot be joined.
  std::string token;
  std::string name;  // On several cores: with "-1", "-2" behind it.
  std::string program;
  std::shared_ptr<const Walls> walls;  // Around this process, to be told of.
  std::uint32_t slots = 64;
  std::size_t core_count = 1;
  std::size_t compile_jobs = 1;
  std::uint64_t templates_bytes_max = 0;
  std::uint64_t code_bytes_max = 0;         // Of all that is kept.
  std::filesystem::path folder;             // Made if missing; one node's alone.
  std::optional<BalancerOptions> balancer;  // None: it is a worker.
};

// The runtimes of a node on `cores`: those that can run here.
using NodeRuntimeMaker = std::function<Result<exec::Runtimes>(const std::vector<exec::Core*>& cores,
                                                              net::BlockingPool& disk, CodeCache& code)>;

class Node {
 public:
  // Begins to join. `on_refused` is told, on another thread, when the gateway does not want it for good.
  //   conflict     another node has the folder
  //   unavailable  the folder cannot be used; a balancer's address is taken
  //   and what `make_runtimes` says
  static Result<std::unique_ptr<Node>> start(NodeOptions options, const NodeRuntimeMaker& make_runtimes,
                                             std::function<void(const Error& why)> on_refused,
                                             const Clock& clock);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Where others join a balancer, "127.0.0.1:9090"; "" of a worker.
  std::string address() const;

  // Takes no more calls; true when all that run had ended within `timeout`.
  bool drain(Duration timeout);

 private:
  struct Impl;
  explicit Node(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace canopy::balance
