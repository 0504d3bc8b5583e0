#include "worker/fleet.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace canopy::worker {
namespace {

using wire::FrameKind;

constexpr Duration ping_period = std::chrono::milliseconds(500);
constexpr Duration reap_period = std::chrono::milliseconds(2);
// Who has closed its connections is about to end; who does not is helped.
constexpr Duration closing_time_max = std::chrono::seconds(1);
constexpr std::uint32_t deaths_at_start_max = 3;

// Where one worker stands: its process, or the wait for the next one.
struct Place final : net::FrameListener {
  void on_frame(const wire::Frame& frame) override { heard(frame); }
  void on_closed(const std::string& /*why*/) override { closed(); }

  std::uint32_t index = 0;  // "worker-<index>"
  policy::Restarts restarts;
  NodeState state = NodeState::waiting;
  bool leaving = false;  // Its end is wanted, and the place goes with it.
  std::function<void(const wire::Frame& frame)> heard;
  std::function<void()> closed;

  // While there is a process:
  std::shared_ptr<Colleague> colleague;
  pid_t process = 0;
  std::unique_ptr<net::FrameLink> control;
  Time started{};
  std::optional<Time> closed_at;
  std::uint32_t unanswered_count = 0;
  wire::WorkerLoad load;
  std::string killed_for;  // Why we killed it; "" if we did not.

  Time start_at{};  // While there is none.
  WallTime since{};
  std::string last_end;

  std::string name() const { return "worker-" + std::to_string(index); }
};

}  // namespace

struct Fleet::Impl final : exec::Turn {
  Impl(FleetOptions the_options, std::vector<exec::Core*> the_cores, std::unique_ptr<Launcher> the_launcher,
       const Clock& the_clock)
      : options(std::move(the_options)),
        cores(std::move(the_cores)),
        launcher(std::move(the_launcher)),
        clock(the_clock),
        loop(cores.size(), clock),
        wanted(options.worker_count) {
    const Crew::OnBroken tell = [this](WorkerNumber worker, const std::string& why) {
      log::debug("worker {}: {}", worker, why);
      loop.post([this, worker] { broken(worker); });
    };
    for (exec::Core* const core : cores) crews.push_back(std::make_unique<Crew>(*core, options.crew, tell));
  }

  void take() override { beat(); }
  void expire() override { beat(); }
  void begin();
  void beat();
  void adjust();
  void launch(Place& place);
  void heard(Place& place, const wire::Frame& frame);
  void attend(Place& place, Time now);
  void ended(Place& place, const std::string& how);
  void dismiss(Place& place);
  void count_early_death(const std::string& how);
  void broken(WorkerNumber worker);
  void changed(const Place& place);
  void show();
  void stop();
  Node describe(const Place& place) const;
  std::size_t staying_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(places, [](const auto& p) { return !p->leaving; }));
  }

  template <class Work>
  void on_each_core(const Work& work) {
    for (std::size_t i = 0; i < cores.size(); ++i) {
      cores[i]->post([crew = crews[i].get(), i, work] { work(*crew, i); });
    }
  }

  const FleetOptions options;
  const std::vector<exec::Core*> cores;
  const std::unique_ptr<Launcher> launcher;
  const Clock& clock;
  std::vector<std::unique_ptr<Crew>> crews;

  // The loop's thread alone, down to the mutex.
  exec::Core loop;
  std::vector<std::unique_ptr<Place>> places;
  std::uint32_t wanted;
  WorkerNumber number = 0;
  Time ping_at{};
  std::uint32_t early_deaths = 0;
  bool all_were_ready = false;  // All of the first, at once.
  bool stopping = false;
  std::string body;
  Duration ended_cpu_time{};  // Of processes that are gone.

  mutable std::mutex mutex;
  std::condition_variable settled;
  std::vector<Node> shown;  // This and what follows: guarded by mutex.
  Listener listener;
  std::size_t ready_count = 0;
  std::size_t active_count = 0;  // Those that are ready or start.
  Duration cpu_time{};
  std::optional<Duration> start_time;  // How long the last one took to be ready.
  std::optional<std::string> failure;

  // Of whoever asks for the load.
  std::uint64_t seen_ended = 0;
  Duration seen_run_time{};
  std::optional<Duration> mean_run_time;
  Duration seen_cpu_time{};
  Time seen_at{};

  std::jthread thread;
};

void Fleet::Impl::begin() {
  ping_at = clock.now() + ping_period;
  beat();
}

// Looks after everybody, and says when it does so next.
void Fleet::Impl::beat() {
  if (stopping) return;
  const Time now = clock.now();
  adjust();
  const bool ping = now >= ping_at;
  if (ping) ping_at = now + ping_period;
  Time next = ping_at;
  for (const auto& place : places) {
    if (place->process != 0) {
      if (ping && place->state != NodeState::starting) {
        ++place->unanswered_count;
        place->control->send({.kind = FrameKind::ping}, {});
      }
      attend(*place, now);
      if (place->closed_at) next = std::min(next, now + reap_period);
    }
    if (place->process == 0 && !place->leaving && place->start_at <= now) launch(*place);
    if (place->process == 0 && !place->leaving) next = std::min(next, place->start_at);
  }
  std::erase_if(places, [](const auto& place) { return place->leaving && place->process == 0; });
  show();
  loop.suspend(*this, next, never);
}

// As many places as are wanted: new ones have the lowest number that is free, and the highest go first.
void Fleet::Impl::adjust() {
  while (staying_count() < wanted) {
    auto place = std::make_unique<Place>();
    place->index = 1;
    while (std::ranges::any_of(places, [&](const auto& p) { return p->index == place->index; }))
      ++place->index;
    place->restarts = policy::Restarts(options.restart);
    place->since = clock.wall_now();
    Place* const raw = place.get();
    place->heard = [this, raw](const wire::Frame& frame) { heard(*raw, frame); };
    place->closed = [this, raw] {
      raw->closed_at = clock.now();
      loop.suspend(*this, clock.now(), never);
    };
    places.push_back(std::move(place));
  }
  while (staying_count() > wanted) {
    Place* last = nullptr;
    for (const auto& place : places) {
      if (!place->leaving && (last == nullptr || place->index > last->index)) last = place.get();
    }
    dismiss(*last);
  }
}

void Fleet::Impl::launch(Place& place) {
  auto launched = launcher->launch(loop, cores);
  if (!launched) {
    log::warn("{}: {}", place.name(), launched.error().message);
    place.last_end = "was not started: " + launched.error().message;
    place.start_at = clock.now() + place.restarts.ended(Duration::zero());
    count_early_death(place.last_end);
    return;
  }
  place.state = NodeState::starting;
  place.colleague = std::make_shared<Colleague>();
  place.colleague->number = ++number;
  place.colleague->name = place.name();
  place.process = launched->process;
  place.control = std::move(launched->control);
  place.started = clock.now();
  place.since = clock.wall_now();
  place.closed_at.reset();
  place.unanswered_count = 0;
  place.load = {};
  place.killed_for.clear();
  wire::WorkerSetup setup = options.setup;
  setup.worker = place.index;
  wire::write_setup(setup, body);
  place.control->send({.kind = FrameKind::setup}, body);
  place.control->listen(place);
  on_each_core([colleague = place.colleague, lines = std::move(launched->lines)](Crew& crew, std::size_t i) {
    crew.attach(colleague, lines[i]());
  });
  changed(place);
}

// Until all of the first were ready, start() waits: it hears of what keeps them from it.
void Fleet::Impl::count_early_death(const std::string& how) {
  if (all_were_ready || ++early_deaths < deaths_at_start_max) return;
  const std::lock_guard lock(mutex);
  failure = how;
  settled.notify_all();
}

// A core's connection to it broke, so calls that it has there come to no end.
void Fleet::Impl::broken(WorkerNumber worker) {
  for (const auto& place : places) {
    if (place->process == 0 || place->leaving || place->colleague->number != worker) continue;
    place->closed_at = place->closed_at.value_or(clock.now());
    loop.suspend(*this, clock.now(), never);
  }
}

void Fleet::Impl::heard(Place& place, const wire::Frame& frame) {
  place.unanswered_count = 0;
  switch (frame.head.kind) {
    case FrameKind::hello:
      if (place.state == NodeState::starting) {
        place.state = NodeState::ready;
        const std::lock_guard lock(mutex);
        start_time = clock.now() - place.started;
      }
      break;
    case FrameKind::pong:
      if (const auto load = wire::read_load(frame.body)) place.load = *load;
      return;
    case FrameKind::goaway:
      if (place.leaving) return;  // We told it.
      // Somebody else did; another takes its place at once.
      place.leaving = true;
      place.state = NodeState::draining;
      adjust();
      loop.suspend(*this, clock.now(), never);
      break;
    default:
      return;
  }
  changed(place);
}

void Fleet::Impl::attend(Place& place, Time now) {
  const auto kill = [&](std::string why) {
    if (!place.killed_for.empty()) return;
    log::warn("{} (process {}) {}; it is killed", place.name(), place.process, why);
    place.killed_for = std::move(why);
    launcher->kill(place.process);
    place.closed_at = place.closed_at.value_or(now);
  };
  if (place.unanswered_count * ping_period > options.silence_max) {
    kill("says nothing for " + duration_text(options.silence_max));
  } else if (place.state == NodeState::starting && now - place.started > options.start_time_max) {
    kill("is not ready after " + duration_text(options.start_time_max));
  } else if (place.closed_at && now - *place.closed_at > closing_time_max) {
    kill("has closed its connection and does not end");
  }
  if (!place.closed_at) return;
  if (const auto how = launcher->reap(place.process, false)) ended(place, *how);
}

void Fleet::Impl::ended(Place& place, const std::string& how) {
  const Time now = clock.now();
  const std::string told = place.killed_for.empty() ? how : how + ", as it " + place.killed_for;
  on_each_core(
      [number = place.colleague->number, told](Crew& crew, std::size_t) { crew.ended(number, told); });
  ended_cpu_time += place.load.cpu_time;
  place.last_end = told;
  place.since = clock.wall_now();
  if (place.leaving) {
    log::info("{} (process {}) {}, having drained", place.name(), place.process, told);
  } else {
    log::warn("{} (process {}) {}", place.name(), place.process, told);
    count_early_death(told);
    place.start_at = now + place.restarts.ended(now - place.started);
  }
  place.process = 0;
  place.control.reset();
  place.colleague.reset();
  place.load = {};
  place.state = place.leaving ? NodeState::gone : NodeState::waiting;
  changed(place);
}

// It ends what it has begun, and then itself.
void Fleet::Impl::dismiss(Place& place) {
  place.leaving = true;
  if (place.process == 0) return;
  place.state = NodeState::draining;
  on_each_core([number = place.colleague->number](Crew& crew, std::size_t) { crew.release(number); });
  place.control->send({.kind = FrameKind::goaway}, {});
  changed(place);
}

Node Fleet::Impl::describe(const Place& place) const {
  return {
      .name = place.name(),
      .process = place.process,
      .state = place.state,
      .running_count = place.colleague ? place.colleague->running_count.load(std::memory_order_relaxed) : 0,
      .restart_count = place.restarts.count(),
      .resident_bytes = place.load.resident_bytes,
      .since = place.since,
      .last_end = place.last_end};
}

void Fleet::Impl::changed(const Place& place) {
  show();
  Listener told;
  {
    const std::lock_guard lock(mutex);
    told = listener;
  }
  if (told) told(describe(place));
}

void Fleet::Impl::show() {
  std::vector<Node> now;
  std::size_t ready = 0;
  std::size_t active = 0;
  Duration cpu = ended_cpu_time;
  for (const auto& place : places) {
    now.push_back(describe(*place));
    ready += place->state == NodeState::ready ? 1 : 0;
    active += place->leaving ? 0 : 1;
    cpu += place->load.cpu_time;
  }
  all_were_ready = all_were_ready || ready >= options.worker_count;
  std::ranges::sort(now, {}, [](const Node& node) { return std::pair(node.name.size(), node.name); });
  const std::lock_guard lock(mutex);
  shown = std::move(now);
  if (ready != std::exchange(ready_count, ready)) settled.notify_all();
  active_count = active;
  cpu_time = cpu;
}

void Fleet::Impl::stop() {
  stopping = true;
  loop.leave(*this);
  for (const auto& place : places) {
    if (place->process != 0) launcher->kill(place->process);
  }
  for (const auto& place : places) {
    if (place->process != 0) static_cast<void>(launcher->reap(place->process, true));
  }
  places.clear();
}

Fleet::Fleet(FleetOptions options, std::vector<exec::Core*> cores, std::unique_ptr<Launcher> launcher,
             const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(cores), std::move(launcher), clock)) {}

Fleet::~Fleet() {
  if (!impl_->thread.joinable()) {
    impl_->stop();
    return;
  }
  impl_->loop.post([impl = impl_.get()] {
    impl->stop();
    impl->loop.stop();
  });
  impl_->thread.join();
}

Result<void> Fleet::start() {
  impl_->thread = std::jthread([impl = impl_.get()]() noexcept {
    impl->begin();
    impl->loop.run();
  });
  std::unique_lock lock(impl_->mutex);
  impl_->settled.wait(lock,
                      [this] { return impl_->failure || impl_->ready_count >= impl_->options.worker_count; });
  if (impl_->ready_count >= impl_->options.worker_count) return {};
  return fail(Code::unavailable, "no worker process gets ready: the last one " + *impl_->failure +
                                     "; --workers=0 runs calls in the server's own process");
}

void Fleet::begin() { impl_->begin(); }
void Fleet::poll() { impl_->loop.poll(); }

std::vector<Crew*> Fleet::crews() {
  std::vector<Crew*> all;
  for (const auto& crew : impl_->crews) all.push_back(crew.get());
  return all;
}

std::vector<Node> Fleet::nodes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->shown;
}

policy::FleetLoad Fleet::load() {
  policy::FleetLoad load;
  load.now = impl_->clock.now();
  std::uint64_t waiting = 0;
  std::uint64_t running = 0;
  std::uint64_t ended = 0;
  Duration run_time{};
  for (const auto& crew : impl_->crews) {
    waiting += crew->waiting_count();
    running += crew->running_count();
    ended += crew->ended_count();
    run_time += crew->run_time();
  }
  load.waiting_count = waiting;
  load.running_count = running;
  if (const auto count = ended - std::exchange(impl_->seen_ended, ended); count > 0) {
    impl_->mean_run_time = (run_time - impl_->seen_run_time) / static_cast<Duration::rep>(count);
  }
  impl_->seen_run_time = run_time;
  load.mean_run_time = impl_->mean_run_time;
  load.slots_per_worker = impl_->options.slots;
  const std::lock_guard lock(impl_->mutex);
  load.worker_count = static_cast<std::uint32_t>(impl_->active_count);
  load.start_time = impl_->start_time;
  const Duration passed = load.now - std::exchange(impl_->seen_at, load.now);
  const Duration used = impl_->cpu_time - std::exchange(impl_->seen_cpu_time, impl_->cpu_time);
  if (passed > Duration::zero() && passed < std::chrono::minutes(1)) {
    load.busy_cores = std::chrono::duration<double>(used) / std::chrono::duration<double>(passed);
  }
  return load;
}

void Fleet::resize(std::uint32_t count) {
  impl_->loop.post([impl = impl_.get(), count] {
    if (impl->stopping || std::exchange(impl->wanted, std::max(count, 1U)) == count) return;
    impl->loop.suspend(*impl, impl->clock.now(), never);
  });
}

void Fleet::listen(Listener listener) {
  const std::lock_guard lock(impl_->mutex);
  impl_->listener = std::move(listener);
}

}  // namespace canopy::worker
