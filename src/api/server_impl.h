#pragma once
// The inside of Server, for the two files that share it: server.cc has its beginning and its end, and
// server_upkeep.cc what it does again and again in between.
//
// Threads: the server's own, before the cores run and after.

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/alarm.h"
#include "api/compile_queue.h"
#include "api/durable_engine.h"
#include "api/interpreter.h"
#include "api/lane.h"
#include "api/server.h"
#include "api/usage.h"
#include "scale/autoscaler.h"

namespace canopy::api {

struct Server::Impl {
  Impl(ServerParts parts, const Clock& clock_in);

  ~Impl() {
    stop();
    if (cluster) cluster->stop();  // Of a start that failed, too.
  }

  Result<void> start(const std::function<Result<Runtimes>(const RuntimeParts&)>& make_runtimes);
  Result<void> listen();
  Result<void> listen_for(Protocol& protocol, const std::string& address);
  void plan_sweep();
  void sweep_made();
  void plan_trim();
  void plan_flush();
  Result<void> make_admin();
  void plan_purge();
  Result<void> begin_scaling();
  void plan_scaling(Duration after);
  bool wait_until_idle(Duration timeout);
  void stop();

  template <class Work>
  void on_each_lane(const Work& work) {
    for (const auto& lane : lanes) {
      lane->core.post([lane = lane.get(), work] { work(*lane); });
    }
  }

  const Clock& clock;
  const Options options;
  const std::string program_version;
  policy::Place place;
  std::unique_ptr<store::Catalog> catalog;
  std::unique_ptr<store::CallLog> call_log;
  const std::vector<std::unique_ptr<Protocol>> protocols;
  store::Records records;
  std::unique_ptr<trace::Exporter> traces;
  Feed feed;
  Ledger ledger;
  PlacesByName places;
  std::optional<Owners> owners;
  std::string new_admin_key;
  std::vector<std::string> other_urls;
  std::vector<std::unique_ptr<exec::Core>> cores;
  std::vector<exec::Core*> core_pointers;
  std::shared_ptr<scale::Fleet> fleet;
  std::shared_ptr<scale::Cluster> cluster;
  Runtimes runtimes;
  std::optional<Templates> templates;
  std::optional<CompileQueue> compile;
  std::optional<net::BlockingPool> disk;
  std::optional<net::BlockingPool> passwords;
  std::unique_ptr<Platform> platform;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::unique_ptr<DurableEngine> durable;
  std::unique_ptr<Alarm> sweep_alarm;
  std::unique_ptr<Alarm> purge_alarm;
  std::unique_ptr<Alarm> trim_alarm;
  std::unique_ptr<Alarm> flush_alarm;
  std::unique_ptr<Alarm> scale_alarm;
  std::unique_ptr<InterpreterMaker> interpreter;
  std::optional<scale::Autoscaler> scaler;
  std::vector<std::jthread> threads;
  bool stopped = false;
};

// To the system, what was freed.
void give_back_memory();

}  // namespace canopy::api
