#include "calls/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/log.h"

namespace canopy::calls {
namespace {

constexpr Duration longest_rest = std::chrono::seconds(1);
constexpr Duration grace = std::chrono::seconds(30);  // What an attempt may take past its time to say so.

}  // namespace

struct Dispatcher::Impl : std::enable_shared_from_this<Impl> {
  struct Flight {
    store::Lease lease;
    std::uint64_t number =
        0;  // Of all flights: the log may hand a call out again before its last one is over.
    std::size_t lane = 0;
    Time let_go_at{};
    bool recording = false;  // It has ended, and its end is being written.
  };

  Impl(store::CallLog& the_log, Runner& the_runner, const DispatcherOptions& the_options,
       const Clock& the_clock)
      : log(the_log), runner(the_runner), options(the_options), clock(the_clock) {
    lane_loads.resize(std::max<std::size_t>(runner.lane_count(), 1));
  }

  void run();
  std::size_t hand_out();
  void ended(const Work& work, RunEnd end);
  void recorded(CallId id, std::uint64_t number);
  void retry_after(Duration delay);
  void renew_leases();
  std::size_t least_loaded() const;

  store::CallLog& log;
  Runner& runner;
  const DispatcherOptions options;
  const Clock& clock;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::unordered_map<CallId, Flight> flights;  // This and what follows: guarded by mutex.
  std::uint64_t flight_count = 0;              // Since the start.
  std::vector<std::size_t> lane_loads;
  bool woken = true;
  bool waits_for_room = false;
  bool draining = false;
  bool stopped = false;
  Time retry_at = never;  // When the first of the calls that found no place may find one.
  Time renew_at{};
  std::jthread thread;
};

std::size_t Dispatcher::Impl::least_loaded() const {
  return static_cast<std::size_t>(std::ranges::min_element(lane_loads) - lane_loads.begin());
}

void Dispatcher::Impl::run() {
  renew_at = clock.now() + options.lease_time / 3;
  for (;;) {
    Time next = std::min(log.sweep(), renew_at);
    bool is_draining = false;
    {
      std::unique_lock lock(mutex);
      next = std::min(next, retry_at);
      if (!woken && !stopped) {
        const Duration rest = std::clamp<Duration>(next - clock.now(), Duration::zero(), longest_rest);
        changed.wait_for(lock, rest, [&] { return woken || stopped || retry_at < next; });
      }
      if (stopped) return;
      if (!woken && retry_at < next) continue;  // To rest for less long.
      if (retry_at <= clock.now()) retry_at = never;
      woken = false;
      is_draining = draining;
    }
    if (clock.now() >= renew_at) renew_leases();
    if (is_draining) continue;
    while (hand_out() == options.batch_max) {
    }
  }
}

// One lease's worth of calls; how many there were.
std::size_t Dispatcher::Impl::hand_out() {
  std::size_t room = 0;
  {
    const std::lock_guard lock(mutex);
    if (draining || stopped) return 0;
    room = options.in_flight_max - std::min(options.in_flight_max, flights.size());
    waits_for_room = room == 0;
  }
  if (room == 0) return 0;
  const store::LeaseRequest request{
      .count_max = std::min(room, options.batch_max),
      .until = clock.now() + options.lease_time,
      .concurrency = [this](const FunctionName& name) { return std::max(runner.concurrency(name), 1U); }};
  const auto leased = log.lease(request);
  if (leased.empty()) return 0;
  std::vector<std::vector<Work>> by_lane(lane_loads.size());
  {
    const std::lock_guard lock(mutex);
    const Time now = clock.now();
    for (const store::LeasedCall& call : leased) {
      const std::size_t lane = least_loaded();
      ++lane_loads[lane];
      const Duration allowed =
          call.call->timeout > Duration::zero() ? call.call->timeout : options.run_time_max;
      const Duration wait = allowed;  // For a worker, at most: after that it comes back.
      const auto [at, is_new] = flights.try_emplace(call.call->id);
      if (!is_new) --lane_loads[at->second.lane];  // An attempt that was lost; its end counts for nothing.
      at->second = {.lease = call.lease(),
                    .number = ++flight_count,
                    .lane = lane,
                    .let_go_at = now + wait + allowed + grace};
      by_lane[lane].push_back({.call = call.call, .attempt = call.attempt});
    }
  }
  for (std::size_t lane = 0; lane < by_lane.size(); ++lane) {
    if (by_lane[lane].empty()) continue;
    // lock() rather than shared_from_this(), which raises an exception where this thread may have none.
    const auto done = [self = weak_from_this().lock()](const Work& work, RunEnd end) {
      self->ended(work, std::move(end));
    };
    runner.run(lane, std::move(by_lane[lane]), done);
  }
  return leased.size();
}

void Dispatcher::Impl::ended(const Work& work, RunEnd end) {
  const store::Lease lease{work.call->id, work.attempt};
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex);
    const auto at = flights.find(lease.id);
    if (at == flights.end() || at->second.lease.attempt != lease.attempt || stopped) return;
    at->second.recording = true;
    number = at->second.number;
  }
  if (end.busy) {
    const Duration delay = std::max(end.busy_for, options.busy_delay);
    log.release(lease, clock.wall_now() + delay);
    recorded(lease.id, number);
    return retry_after(delay);
  }
  const auto done = [self = weak_from_this().lock(), id = lease.id, number](const Result<void>& result) {
    if (!result && result.error().code != Code::conflict) {
      log::warn("the end of call {} was not recorded: {}", to_text(id), result.error().message);
    }
    self->recorded(id, number);
  };
  log.complete(lease, std::move(end.outcome), done);
}

void Dispatcher::Impl::recorded(CallId id, std::uint64_t number) {
  bool tell = false;
  {
    const std::lock_guard lock(mutex);
    const auto at = flights.find(id);
    if (at == flights.end() || at->second.number != number) return;
    --lane_loads[at->second.lane];
    flights.erase(at);
    // Not for each: what comes next is leased many at a time.
    tell = (draining && flights.empty()) ||
           (waits_for_room && flights.size() + options.batch_max / 2 <= options.in_flight_max);
    if (tell) {
      waits_for_room = false;
      woken = true;
    }
  }
  if (tell) changed.notify_all();
}

// Nobody else says when a call that was given back may be leased again: the log was asked before it was.
void Dispatcher::Impl::retry_after(Duration delay) {
  {
    const std::lock_guard lock(mutex);
    const Time at = clock.now() + delay;
    if (at >= retry_at) return;
    retry_at = at;
  }
  changed.notify_all();
}

void Dispatcher::Impl::renew_leases() {
  std::vector<store::Lease> leases;
  const Time now = clock.now();
  {
    const std::lock_guard lock(mutex);
    renew_at = now + options.lease_time / 3;
    for (const auto& [id, flight] : flights) {
      if (flight.recording || now < flight.let_go_at) leases.push_back(flight.lease);
    }
  }
  for (const store::Lease& lease : leases) log.renew(lease, now + options.lease_time);
}

Dispatcher::Dispatcher(store::CallLog& log, Runner& runner, DispatcherOptions options, const Clock& clock)
    : impl_(std::make_shared<Impl>(log, runner, options, clock)) {}

Dispatcher::~Dispatcher() { stop(); }

void Dispatcher::start() {
  impl_->thread = std::jthread([impl = impl_.get()]() noexcept { impl->run(); });
}

void Dispatcher::wake() {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->woken) return;
    impl_->woken = true;
  }
  impl_->changed.notify_all();
}

bool Dispatcher::drain(Duration timeout) {
  std::unique_lock lock(impl_->mutex);
  impl_->draining = true;
  return impl_->changed.wait_for(lock, timeout, [this] { return impl_->flights.empty(); });
}

void Dispatcher::stop() {
  std::vector<store::Lease> left;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return;
    impl_->stopped = true;
    for (const auto& [id, flight] : impl_->flights) {
      if (!flight.recording) left.push_back(flight.lease);
    }
  }
  impl_->changed.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
  for (const store::Lease& lease : left) impl_->log.release(lease, {});
}

std::size_t Dispatcher::in_flight_count() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->flights.size();
}

}  // namespace canopy::calls
