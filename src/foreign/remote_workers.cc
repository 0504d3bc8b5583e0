#include "foreign/remote_workers.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "policy/place.h"

namespace canopy::foreign {
namespace {

constexpr Duration up_timeout = std::chrono::seconds(2);

}  // namespace

RemoteWorkers::RemoteWorkers(exec::Core& core, const std::vector<std::string>& addresses, const Dial& dial)
    : core_(core) {
  for (const std::string& address : addresses) {
    workers_.push_back(std::make_unique<RemoteWorker>(core, address, dial, [this] { on_up(); }));
  }
  for (const auto& worker : workers_) worker->open();
}

RemoteWorker* RemoteWorkers::choose(const Starting& starting) const {
  std::vector<policy::Candidate> candidates;
  for (const auto& worker : workers_) {
    const bool is_tried = starting.tried.contains(worker.get());
    const auto running = std::min<std::size_t>(worker->instance_count(), std::numeric_limits<int>::max());
    candidates.push_back({.running_count = static_cast<std::uint32_t>(running),
                          .credit = 1,
                          .ready = worker->is_up() && !is_tried});
  }
  const auto chosen = policy::choose(policy::Placement::least_loaded, candidates, {});
  return chosen ? workers_.at(*chosen).get() : nullptr;
}

void RemoteWorkers::start(const std::string& function, const RemoteWorker::OnEnd& on_end, OnPlaced done) {
  const auto starting = std::make_shared<Starting>(core_);
  starting->function = function;
  starting->on_end = on_end;
  starting->done = std::move(done);
  go_on(starting);
}

void RemoteWorkers::go_on(const std::shared_ptr<Starting>& starting) {
  RemoteWorker* const worker = choose(*starting);
  if (worker != nullptr) {
    starting->tried.insert(worker);
    const auto on_started = [this, starting, worker](Result<std::string> instance) {
      if (instance) return finish(starting, Place{.worker = worker, .instance = *std::move(instance)});
      starting->error = instance.error();
      go_on(starting);
    };
    return worker->start(starting->function, starting->on_end, on_started);
  }
  if (starting->error) return finish(starting, tl::unexpected(*starting->error));
  waiting_.push_back(starting);
  starting->alarm.set(core_.clock().now() + up_timeout, [this, weak = std::weak_ptr(starting)] {
    const auto late = weak.lock();
    if (late == nullptr) return;
    std::erase(waiting_, late);
    finish(late, fail(Code::unavailable,
                      "no worker of HyperFaaS is there of those that --hyperfaas-workers names, " + names() +
                          ": start one, then call again",
                      Stage::start));
  });
}

void RemoteWorkers::on_up() {
  for (const auto& starting : std::exchange(waiting_, {})) {
    starting->alarm.stop();
    go_on(starting);
  }
}

void RemoteWorkers::finish(const std::shared_ptr<Starting>& starting, Result<Place> place) {
  const OnPlaced done = std::exchange(starting->done, nullptr);
  if (done) done(std::move(place));
}

std::string RemoteWorkers::names() const {
  std::string text;
  for (const auto& worker : workers_) text += (text.empty() ? "" : ", ") + worker->address();
  return text;
}

}  // namespace canopy::foreign
