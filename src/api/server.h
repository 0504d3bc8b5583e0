#pragma once
// A whole Canopy in one process: catalog, records, cores with a thread each, a port that all of them listen
// on.
//
//   start() ─▶ running ─▶ drain(): ready no more, accepts no more, finishes what runs ─▶ stop()
//
// Nothing of a function is loaded at the start, so it takes as long with a thousand functions as with none.
//
// Threads: all methods from one thread that is none of its own.
// Life:    the clock outlives it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/protocol.h"
#include "api/templates.h"
#include "base/clock.h"
#include "exec/core.h"
#include "net/blocking_pool.h"
#include "options/options.h"
#include "scale/cluster.h"
#include "scale/fleet.h"
#include "store/call_log.h"
#include "store/catalog.h"

namespace canopy::api {

// What a runtime may build on.
struct RuntimeParts {
  const Options& options;
  const std::vector<exec::Core*>& cores;
  net::BlockingPool& disk;
  store::Catalog& catalog;
  const Clock& clock;
  // Where they run calls in other processes: those. Set by who makes the runtimes.
  std::shared_ptr<scale::Fleet>& fleet;
  // Where workers of other machines can join: those. Likewise.
  std::shared_ptr<scale::Cluster>& cluster;
};

struct ServerParts {
  Options options;
  std::string program_version;
  // Called once, before the cores run. What it returns is destroyed when they have stopped.
  std::function<Result<Runtimes>(const RuntimeParts& parts)> make_runtimes;
  std::unique_ptr<store::Catalog> catalog;     // Null: the one in the folder that the options name.
  std::unique_ptr<store::CallLog> call_log{};  // Null: the one there; in memory where the catalog is given.
  std::vector<std::unique_ptr<Protocol>> protocols{};
};

class Server {
 public:
  // Listens, and is ready, when this returns.
  //   invalid               a listen address that is none; a certificate or key that cannot be read
  //   unavailable           the address is taken, or the data folder cannot be used
  //   conflict, refused     as open_catalog()
  //   and what make_runtimes says
  static Result<std::unique_ptr<Server>> start(ServerParts parts, const Clock& clock);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8080"
  // Where other protocols listen besides, in their order.
  const std::vector<std::string>& other_urls() const;
  std::string node_address() const;  // Where workers join, "127.0.0.1:9090"; "" where none can.
  std::size_t core_count() const;
  std::size_t function_count() const;

  // The key that this start made, to be shown once; "" where it made none.
  const std::string& new_admin_key() const;

  // Finishes what runs, accepting nothing new; true when all had ended within `timeout`. Call stop() after.
  bool drain(Duration timeout);
  // Ends what still runs, and all threads. A second time does nothing.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace canopy::api
