// What a server does again and again: unused code goes, memory is given back, usage is written, the log of
// durable calls is purged, workers become more or fewer.

#include <algorithm>
#include <set>

#include <malloc.h>

#include "api/nodes.h"
#include "api/server_impl.h"
#include "base/log.h"

namespace canopy::api {
namespace {

constexpr Duration sweep_period = std::chrono::hours(1);
constexpr Duration purge_period = std::chrono::seconds(15);
constexpr Duration trim_period = std::chrono::seconds(1);
constexpr std::size_t trim_above_bytes = 16 * MiB;

}  // namespace

// The C library keeps what was freed between pieces still in use, for ever: after ten thousand connections or
// a large upload that would be all they had.
void give_back_memory() {
  const struct mallinfo2 info = mallinfo2();
  if (info.fordblks > trim_above_bytes) malloc_trim(0);
}

void Server::Impl::plan_sweep() {
  sweep_alarm->set(clock.now() + sweep_period, [this] {
    const auto sweep = [this] {
      const auto freed = catalog->sweep();
      if (!freed) log::warn("cannot sweep unused code: {}", freed.error().message);
      if (freed && *freed > 0) log::info("swept {} of code that no version names", size_text(*freed));
      sweep_made();
    };
    disk->post(sweep);  // If the queue is full there is another time.
    plan_sweep();
  });
}

// What was made of earlier versions can be made again, should one of them come back.
void Server::Impl::sweep_made() {
  std::set<std::string> names;
  for (const auto& [name, function] : catalog->snapshot()->functions) {
    const auto runtime = runtimes.find(function->runtime);
    if (runtime != runtimes.end()) names.insert(runtime->second->made_name(*function));
  }
  for (const auto& [name, runtime] : runtimes) {
    const auto freed = runtime->sweep(names, sweep_period);
    if (!freed) log::warn("cannot sweep what was compiled: {}", freed.error().message);
    if (freed && *freed > 0) log::info("swept {} of compiled code that nobody uses", size_text(*freed));
  }
}

void Server::Impl::plan_trim() {
  trim_alarm->set(clock.now() + trim_period, [this] {
    disk->post(give_back_memory);  // If the queue is full there is another time.
    plan_trim();
  });
}

void Server::Impl::plan_flush() {
  flush_alarm->set(clock.now() + flush_period, [this] {
    on_each_lane([this](Lane& lane) { flush_usage(*platform, lane.core); });
    plan_flush();
  });
}

void Server::Impl::plan_purge() {
  purge_alarm->set(clock.now() + purge_period, [this] {
    durable->purge();
    plan_purge();
  });
}

Result<void> Server::Impl::begin_scaling() {
  const auto publish = [this](const Node& node) {
    feed.publish({.kind = Happening::Kind::node_changed, .function = {}, .call = {}, .text = {}},
                 [&node] { return node_json(node); });
  };
  if (cluster) cluster->listen(publish);
  if (!fleet) return {};
  fleet->listen(publish);
  CANOPY_TRY(const WorkerRange range, parse_workers(options.workers));
  if (range.min == range.max) return {};
  CANOPY_TRY(const policy::ScaleRule rule, policy::parse_scale_rule(options.scale));
  const auto backlog = [this]() -> std::optional<std::uint64_t> {
    const store::CallLogStats stats = call_log->stats();
    return stats.waiting_count - std::min(stats.delayed_count, stats.waiting_count);
  };
  scaler.emplace(*fleet, backlog,
                 policy::ScaleSettings{.rule = rule,
                                       .worker_min = range.min,
                                       .worker_max = range.max,
                                       .delay = options.scale_delay,
                                       .cool_down = options.scale_cool_down});
  scale_alarm = std::make_unique<Alarm>(*cores.front());
  plan_scaling(Duration::zero());
  return {};
}

void Server::Impl::plan_scaling(Duration after) {
  scale_alarm->set(clock.now() + after, [this] { plan_scaling(scaler->tick()); });
}

}  // namespace canopy::api
