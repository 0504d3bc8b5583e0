#pragma once
// What every handler of the API is given: the parts of one running server.
//
// Threads: each part says for itself.
// Life:    outlives every handler.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/compile_queue.h"
#include "api/feed.h"
#include "api/ledger.h"
#include "api/login_gate.h"
#include "api/owners.h"
#include "api/places.h"
#include "api/templates.h"
#include "base/clock.h"
#include "exec/core.h"
#include "net/blocking_pool.h"
#include "options/options.h"
#include "policy/access.h"
#include "scale/cluster.h"
#include "scale/fleet.h"
#include "store/call_log.h"
#include "store/catalog.h"
#include "store/records.h"
#include "trace/exporter.h"

namespace canopy::api {

class DurableEngine;
class Gateway;
class Protocol;

struct Platform {
  const Options& options;
  const Clock& clock;
  const std::string& program_version;
  store::Catalog& catalog;
  store::Records& records;
  const Runtimes& runtimes;
  net::BlockingPool& disk;       // For what waits for the disk.
  net::BlockingPool& passwords;  // For hashing them; one thread and a short queue.
  CompileQueue& compile;         // For compiling; few places, and turns for them.
  Templates& templates;
  PlacesByName& places;
  Owners& owners;
  Ledger& ledger;
  Feed& feed;
  policy::Place place;  // How it decides whether keys are demanded.
  LoginGate login_gate{};
  std::mutex deploying{};              // Held while a function becomes current, or a user is removed.
  store::CallLog* call_log = nullptr;  // Set before the cores run, as is the next.
  DurableEngine* durable = nullptr;
  trace::Exporter* traces = nullptr;  // Null where nobody is told of calls.
  scale::Fleet* fleet = nullptr;      // Null where calls run in this process.
  scale::Cluster* cluster = nullptr;  // Null where no worker can join.
  std::vector<exec::Core*> cores{};
  std::vector<Gateway*> gateways{};    // By core index; each belongs to its core.
  std::vector<Protocol*> protocols{};  // Whose paths come before our own.
  std::atomic<bool> draining = false;
  Time started{};
};

}  // namespace canopy::api
