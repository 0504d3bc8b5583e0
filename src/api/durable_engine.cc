#include "api/durable_engine.h"

#include <algorithm>
#include <utility>

#include "api/gateway.h"
#include "api/protocol.h"
#include "base/log.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

constexpr std::size_t purge_step = 500;

// No more than all workers can run: who waits for one has left the log's fair turns, and its time runs.
calls::DispatcherOptions dispatcher_options(const Options& options) {
  std::uint64_t in_flight_max = options.calls_running_max;
  const auto workers = parse_workers(options.workers);
  if (workers && workers->max > 0)
    in_flight_max = std::min(in_flight_max, workers->max * options.worker_slots);
  return {.in_flight_max = static_cast<std::size_t>(in_flight_max),
          .lease_time = options.call_lease,
          .run_time_max = options.call_timeout_max};
}

calls::CallbackOptions callback_options(const Options& options) {
  return {.secret = options.callback_secret, .allow_private = options.callback_private};
}

// Takes all by value, since the frame outlives who began it.
net::Task<void> run_one(Caller& caller, calls::Work work, calls::Runner::Done done) {
  calls::RunEnd end = co_await caller.run(work);
  done(work, std::move(end));
}

}  // namespace

store::CallLogOptions call_log_options(const Options& options) {
  return {.waiting_max = options.calls_waiting_max,
          .waiting_per_function_max = options.calls_queue_max,
          .waiting_per_owner_max = options.calls_waiting_max,
          .leases_max = static_cast<std::size_t>(options.calls_running_max),
          .retry = {.losses_max = static_cast<std::uint32_t>(options.call_losses_max)}};
}

DurableEngine::DurableEngine(Platform& platform)
    : platform_(platform),
      log_(*platform.call_log),
      dispatcher_(log_, *this, dispatcher_options(platform.options), platform.clock),
      callbacks_(log_, callback_options(platform.options), platform.clock) {}

void DurableEngine::start() {
  dispatcher_.start();
  callbacks_.start();
  log_.listen(*this);
}

bool DurableEngine::drain(Duration timeout) { return dispatcher_.drain(timeout); }

void DurableEngine::stop() {
  callbacks_.stop();
  dispatcher_.stop();
  log_.stop();
}

void DurableEngine::purge() {
  if (purging_.exchange(true)) return;
  const auto step = [this] {
    const auto count = log_.purge(purge_step);
    purging_ = false;
    if (!count) return log::debug("cannot forget old calls now: {}", count.error().message);
    if (*count == purge_step) purge();
  };
  if (!platform_.disk.post(step)) purging_ = false;
}

void DurableEngine::on_ready() { dispatcher_.wake(); }
void DurableEngine::on_callback() { callbacks_.wake(); }

void DurableEngine::on_ended(CallId id, const FunctionName& function, State state,
                             const std::function<DurableRecord()>& make) {
  // Another server with the same store may have been asked to, while it runs here.
  if (state == State::canceled) cancel(id);
  for (Protocol* const protocol : platform_.protocols) protocol->on_ended(id, function, state);
  if (!platform_.feed.is_followed()) return;
  platform_.feed.publish({.kind = Happening::Kind::call_ended, .function = function, .call = id, .text = {}},
                         [&make] { return wire::to_json(make()); });
}

std::uint32_t DurableEngine::concurrency(const FunctionName& function) const {
  const auto snapshot = platform_.catalog.snapshot();
  const auto at = snapshot->functions.find(function);
  return at == snapshot->functions.end() ? 0 : at->second->limits.concurrency;
}

void DurableEngine::run(std::size_t lane, std::vector<calls::Work> works, Done done) {
  exec::Core& core = *platform_.cores[lane];
  Caller& caller = platform_.gateways[lane]->caller();
  core.post([&core, &caller, works = std::move(works), done = std::move(done)] {
    for (const calls::Work& work : works) {
      net::asio::co_spawn(core.io(), run_one(caller, work, done), net::asio::detached);
    }
  });
}

void DurableEngine::cancel(CallId id) {
  for (std::size_t lane = 0; lane < platform_.cores.size(); ++lane) {
    Caller& caller = platform_.gateways[lane]->caller();
    platform_.cores[lane]->post([&caller, id] { caller.cancel(id); });
  }
}

}  // namespace canopy::api
