// The keeper's side of a pool: containers are started, asked whether they listen, stopped and buried.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "container/pool.h"
#include "container/stream.h"

namespace canopy::container {
namespace {

constexpr Duration first_probe_delay = std::chrono::milliseconds(1);  // Doubles from here.
constexpr Duration probe_delay_max = std::chrono::milliseconds(50);
// From when a container listens until it is taken as ready without its word, which may have got lost: it may
// have come before anybody heard it.
constexpr Duration signal_grace = std::chrono::milliseconds(250);
constexpr Duration stop_grace = std::chrono::seconds(1);
constexpr Duration end_grace = std::chrono::milliseconds(500);  // Where the server itself ends.

// Ends on the keeper's thread, whoever lets go of it last.
std::shared_ptr<Member> make_member(exec::Core& keeper) {
  return {new Member(keeper), [&keeper](Member* member) { keeper.post([member] { delete member; }); }};
}

Error with_words(Code code, std::string text, const Voice& voice) {
  const std::string words = voice.last_words();
  if (!words.empty()) text += "; its last words:\n" + words;
  return {code, std::move(text), Stage::start};
}

}  // namespace

std::size_t Pool::wanted_count(const Lock& lock) const {
  const bool ended = is_retired_ && line_.empty();
  const policy::InstanceDemand demand{.calls = calls(lock),
                                      .places = places(),
                                      .min = ended ? 0 : options_.settings.instances_min,
                                      .max = options_.settings.instances_max};
  return policy::wanted_instances(demand);
}

// As many as its calls need now.
std::size_t Pool::needed_count(const Lock& lock) const {
  return policy::wanted_instances(
      {.calls = calls(lock), .places = places(), .min = 0, .max = options_.settings.instances_max});
}

// As many as the calls need, and no container that is not needed.
void Pool::adjust() {
  std::vector<std::shared_ptr<Member>> to_stop;
  std::size_t missing = 0;
  std::size_t missing_for_calls = 0;  // Of them.
  {
    const Lock lock(mutex_);
    std::size_t alive = 0;
    for (const auto& member : members_) {
      if (is_retired_ && line_.empty() && member->running == 0) member->state = Member::State::leaving;
      if (member->state != Member::State::leaving) {
        ++alive;
      } else if (!member->is_told_to_stop && (member->running == 0 || member->is_broken)) {
        to_stop.push_back(member);
      }
    }
    const std::size_t wanted = wanted_count(lock);
    const std::size_t most = options_.settings.instances_max;
    missing = wanted - std::min(wanted, alive);
    missing = std::min(missing, most - std::min<std::size_t>(most, members_.size()));
    const std::size_t needed = needed_count(lock);
    missing_for_calls = needed - std::min(needed, alive);
  }
  for (const auto& member : to_stop) stop(member, member->is_broken ? Duration::zero() : stop_grace);
  if (missing == 0) return;
  const Time now = keeper_.core().clock().now();
  if (now < start_again_at_) {
    again_alarm_.set(start_again_at_, [this] { adjust(); });
    return;
  }
  for (; missing > 0; --missing) {
    const bool is_for_calls = missing_for_calls > 0;
    if (!keeper_.take_room(shared_from_this(), is_for_calls ? Keeper::For::calls : Keeper::For::later)) break;
    if (is_for_calls) --missing_for_calls;
    start_one();
  }
  if (!keeper_.is_closed()) return;
  const Lock lock(mutex_);
  refuse_line({Code::unavailable, "the server stops; ask another one", Stage::queue}, lock);
}

void Pool::start_one() {
  const auto member = make_member(keeper_.core());
  member->begun = keeper_.core().clock().now();
  {
    const Lock lock(mutex_);
    members_.push_back(member);
  }
  Plan plan = options_.plan;
  plan.id = keeper_.next_id();
  keeper_.start(std::move(plan),
                [self = shared_from_this(), member](Result<std::shared_ptr<Started>> started) {
                  self->on_started(member, std::move(started));
                });
}

void Pool::on_started(const std::shared_ptr<Member>& member, Result<std::shared_ptr<Started>> started) {
  if (!started) {
    Error error = std::move(started).error();
    if (error.code == Code::refused) error.code = Code::died;
    error.stage = Stage::start;
    on_failed(member, std::move(error));
    return forget(member);
  }
  member->started = *std::move(started);
  member->cgroup = exec::Cgroup(member->started->process());
  if (!watch(member)) {
    on_failed(member,
              {Code::unavailable,
               "no descriptor is left to hear of a container by; raise the server's limit of open files",
               Stage::start});
    return bury(member);
  }
  bool is_leaving = false;
  {
    const Lock lock(mutex_);
    is_leaving = member->state == Member::State::leaving;
  }
  if (is_leaving || keeper_.is_closed()) return stop(member, Duration::zero());
  if (is_single_use()) return on_ready(member, {});
  if (options_.settings.ready == wire::ContainerSettings::Ready::signal) await_signal(member);
  probe(member);
}

void Pool::await_signal(const std::shared_ptr<Member>& member) {
  auto listener = member->started->listen(wire::signal_port(options_.settings));
  if (!listener) return log::warn("{}: {}", to_text(options_.function), log_safe(listener.error().message));
  const auto on_signal = [self = weak_from_this(), weak = std::weak_ptr(member)] {
    const auto pool = self.lock();
    const auto one = weak.lock();
    if (pool == nullptr || one == nullptr || std::exchange(one->has_signalled, true)) return;
    pool->probe(one);
  };
  auto signal = ReadySignal::open(keeper_.core(), *std::move(listener), on_signal);
  if (signal) member->signal = *std::move(signal);
}

bool Pool::watch(const std::shared_ptr<Member>& member) {
  if (!open_stream(member->end, member->started->end_descriptor())) return false;
  watch_end(member);
  if (is_single_use()) return true;  // Its call reads what it prints.
  const auto outputs = member->started->outputs();
  if (!open_stream(member->output, outputs.front())) return false;
  watch_output(member, &Member::output);
  if (outputs.size() < 2) return true;
  if (!open_stream(member->errors, outputs[1])) return false;
  watch_output(member, &Member::errors);
  return true;
}

void Pool::watch_output(const std::shared_ptr<Member>& member, net::DescriptorStream Member::* stream) {
  const auto on_ready = [self = shared_from_this(), member, stream](const boost::system::error_code& error) {
    net::DescriptorStream& from = (*member).*stream;
    if (error || !from.is_open()) return;
    const bool is_over = member->voice.read(*member->started) == Progress::end || is_spent(from);
    return is_over ? close_stream(from) : self->watch_output(member, stream);
  };
  ((*member).*stream).async_wait(net::DescriptorStream::wait_read, on_ready);
}

void Pool::watch_end(const std::shared_ptr<Member>& member) {
  member->end.async_wait(net::DescriptorStream::wait_read,
                         [self = shared_from_this(), member](const boost::system::error_code& error) {
                           if (error || !member->end.is_open()) return;
                           const auto end = member->started->take_end();
                           if (end) return self->on_end(member, *end);
                           self->watch_end(member);
                         });
}

// Until somebody listens, at its own time: milliseconds where it is quick.
void Pool::probe(const std::shared_ptr<Member>& member) {
  {
    const Lock lock(mutex_);
    if (member->state != Member::State::starting) return;
  }
  auto connection = member->started->connect(options_.settings.port);
  const Time now = keeper_.core().clock().now();
  if (connection) {
    const Time at = lost_signal_at(*member, now);
    if (now >= at) return on_ready(member, *std::move(connection));
    return probe_at(member, at);
  }
  const Time deadline = member->begun + options_.settings.start;
  if (now >= deadline) {
    static_cast<void>(member->voice.read(*member->started));
    on_failed(member, with_words(Code::died,
                                 "its container did not listen on port " +
                                     std::to_string(options_.settings.port) + " within " +
                                     duration_text(options_.settings.start) + " (it is told which in $PORT)",
                                 member->voice));
    return stop(member, Duration::zero());
  }
  member->probe_delay = std::clamp(2 * member->probe_delay, first_probe_delay, probe_delay_max);
  probe_at(member, std::min(now + member->probe_delay, deadline));
}

Time Pool::lost_signal_at(Member& member, Time now) const {
  if (options_.settings.ready == wire::ContainerSettings::Ready::port || member.has_signalled) return now;
  if (member.listens_since == Time{}) member.listens_since = now;
  return member.listens_since + signal_grace;
}

void Pool::probe_at(const std::shared_ptr<Member>& member, Time at) {
  member->alarm.set(at, [self = weak_from_this(), weak = std::weak_ptr(member)] {
    const auto pool = self.lock();
    const auto one = weak.lock();
    if (pool != nullptr && one != nullptr) pool->probe(one);
  });
}

void Pool::on_ready(const std::shared_ptr<Member>& member, Descriptor connection) {
  {
    const Lock lock(mutex_);
    if (member->state != Member::State::starting) return;
    member->state = Member::State::ready;
    member->ready = member->used = keeper_.core().clock().now();
    if (connection) member->idle.push_back(std::move(connection));
    failure_.reset();
    serve_line(lock);
  }
  set_idle_alarm();
}

// Of one that was to be ready. Whoever waits has nobody else to wait for, or has.
void Pool::on_failed(const std::shared_ptr<Member>& member, Error error) {
  const Time now = keeper_.core().clock().now();
  start_again_at_ = now + restarts_.ended(Duration::zero());
  const Lock lock(mutex_);
  member->state = Member::State::leaving;
  failed_until_ = start_again_at_;
  const bool has_others =
      std::ranges::any_of(members_, [](const auto& one) { return one->state != Member::State::leaving; });
  if (!has_others) refuse_line(error, lock);
  // What cannot be had now may be there the next moment: calls that come meanwhile wait for the next attempt.
  failure_.reset();
  if (error.code != Code::unavailable) failure_ = std::move(error);
}

void Pool::on_end(const std::shared_ptr<Member>& member, End end) {
  Member::State before{};
  bool is_idle_end = false;
  {
    const Lock lock(mutex_);
    // Functions of HyperFaaS end so when they have had no call for a while.
    is_idle_end = options_.settings.contract == wire::ContainerSettings::Contract::grpc && end.status == 0 &&
                  !end.out_of_memory && member->running == 0;
    before = std::exchange(member->state, Member::State::leaving);
    is_crashed_ = before == Member::State::ready && !is_idle_end && !is_single_use();
    member->ended = end;
    member->idle.clear();
    for (auto& [core, on_end] : std::exchange(member->on_end, {})) core->post(std::move(on_end));
  }
  if (before == Member::State::starting) {
    static_cast<void>(member->voice.read(*member->started));
    on_failed(member, with_words(end.out_of_memory ? Code::limit : Code::died,
                                 end_text(end, options_.plan.memory_bytes) + " before it listened on port " +
                                     std::to_string(options_.settings.port),
                                 member->voice));
  } else if (before == Member::State::ready && !is_single_use() && !is_idle_end) {
    const Time now = keeper_.core().clock().now();
    start_again_at_ = now + restarts_.ended(now - member->begun);
    log::warn("{}: {}, by itself; it is replaced when a call needs it", to_text(options_.function),
              end_text(end, options_.plan.memory_bytes));
  }
  bury(member);
}

void Pool::stop(const std::shared_ptr<Member>& member, Duration grace) {
  {
    const Lock lock(mutex_);
    member->state = Member::State::leaving;
    if (member->started == nullptr) return;  // It is stopped as soon as it was started.
    if (std::exchange(member->is_told_to_stop, true) && grace.count() > 0) return;
  }
  member->started->stop(grace);
}

void Pool::bury(const std::shared_ptr<Member>& member) {
  if (std::exchange(member->is_buried, true)) return;
  member->alarm.stop();
  close_stream(member->end);
  keeper_.bury(member->started, [self = shared_from_this(), member] { self->forget(member); });
}

// Nothing of it is left.
void Pool::forget(const std::shared_ptr<Member>& member) {
  member->signal.reset();
  close_stream(member->output);
  close_stream(member->errors);
  {
    const Lock lock(mutex_);
    std::erase(members_, member);
  }
  keeper_.give_room(space());
  adjust();
}

// -- idleness

void Pool::set_idle_alarm() {
  Time next = never;
  std::vector<std::shared_ptr<Member>> to_stop;
  {
    const Lock lock(mutex_);
    const Time now = keeper_.core().clock().now();
    std::size_t alive = 0;
    for (const auto& member : members_) alive += member->state == Member::State::leaving ? 0 : 1;
    const std::size_t min = is_retired_ ? 0 : options_.settings.instances_min;
    for (const auto& member : members_) {
      if (member->state != Member::State::ready) continue;
      // One that is used once is not kept for later, but for those that are to be there always.
      const Duration idle = is_single_use() ? Duration::zero() : options_.settings.idle;
      const Time until = member->running > 0 ? now + options_.settings.idle : member->used + idle;
      if (until > now || alive <= min) {
        next = std::min(next, std::max(until, now + first_probe_delay));
        continue;
      }
      --alive;
      member->state = Member::State::leaving;
      to_stop.push_back(member);
    }
    if (alive <= min) next = never;
  }
  for (const auto& member : to_stop) stop(member, stop_grace);
  if (next == never) return;
  idle_alarm_.set(next, [this] { set_idle_alarm(); });
}

Time Pool::idle_since() const {
  const Lock lock(mutex_);
  Time since = never;
  for (const auto& member : members_) {
    const bool is_idle = member->state == Member::State::ready && member->running == 0;
    if (is_idle) since = std::min(since, member->used);
  }
  return since;
}

void Pool::stop_idle() {
  std::shared_ptr<Member> oldest;
  {
    const Lock lock(mutex_);
    for (const auto& member : members_) {
      if (member->state != Member::State::ready || member->running > 0) continue;
      if (oldest == nullptr || member->used < oldest->used) oldest = member;
    }
    if (oldest == nullptr) return;
    oldest->state = Member::State::leaving;
  }
  stop(oldest, stop_grace);
}

void Pool::end() {
  std::vector<std::shared_ptr<Member>> all;
  {
    const Lock lock(mutex_);
    is_retired_ = true;
    refuse_line({Code::unavailable, "the server stops; ask another one", Stage::queue}, lock);
    all = members_;
  }
  for (const auto& member : all) stop(member, end_grace);
}

}  // namespace canopy::container
