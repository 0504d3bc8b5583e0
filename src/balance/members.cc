#include "balance/members.h"

#include <algorithm>
#include <utility>

#include "balance/members_impl.h"
#include "base/log.h"
#include "base/units.h"
#include "wire/manifest.h"

namespace canopy::balance {
namespace {

using wire::FrameKind;

constexpr Duration ping_period = std::chrono::milliseconds(250);
// Who owes so many answers gets no calls until it gives one: within a second of its last.
constexpr std::uint32_t silent_count = 3;
// Who has closed its first connection closes the others; who does not is helped.
constexpr Duration closing_time_max = std::chrono::seconds(1);
constexpr Duration gone_shown = std::chrono::minutes(1);
constexpr std::size_t gone_shown_max = 64;
constexpr std::uint32_t wants_max = 8;
constexpr std::uint64_t unsent_bytes_max = 8 << 20;

}  // namespace

Node Session::describe() const {
  return {.name = join.name,
          .process = static_cast<std::int64_t>(join.process),
          .state = state,
          .running_count = colleague->running_count.load(std::memory_order_relaxed),
          .resident_bytes = load.resident_bytes,
          .since = wall_since,
          .last_end = how,
          .address = address,
          .slot_count = colleague->slots(),
          .balancer = join.balancer,
          .instance = instance_of(join.instance),
          .walls = join.walls};
}

Members::Impl::Impl(MembersOptions the_options, std::vector<exec::Core*> the_cores, ReadCode read,
                    const Clock& the_clock)
    : options(std::move(the_options)),
      cores(std::move(the_cores)),
      read_code(std::move(read)),
      clock(the_clock),
      serves_soon(cores.size()),
      loop(cores.size(), clock),
      rules(options.rules),
      mode(options.rules.mode),
      has_exceptions(!options.rules.functions.empty()) {
  const worker::Crew::OnBroken tell = [this](worker::WorkerNumber worker, const std::string& why) {
    loop.post([this, worker, why] { broken(worker, why); });
  };
  for (std::size_t i = 0; i < cores.size(); ++i) {
    worker::CrewOptions crew = options.crew;
    if (!crew.refuses) crew.on_room = [this] { share_room(cores.size()); };
    crew.on_offer = [this](worker::WorkerNumber worker, const wire::Offer& offer) {
      tell_offer(worker, offer);
    };
    crew.on_warm = [this, i] {
      if (options.on_warm) options.on_warm(i);
    };
    crew.seed = static_cast<std::uint64_t>(clock.now().time_since_epoch().count()) + i;
    crews.push_back(std::make_unique<worker::Crew>(*cores[i], crew, tell));
  }
}

void Members::Impl::begin() {
  ping_at = clock.now() + ping_period;
  beat();
}

void Members::Impl::beat() {
  const Time now = clock.now();
  const bool ping = now >= ping_at;
  if (ping) ping_at = now + ping_period;
  for (std::size_t i = 0; i < sessions.size(); ++i) attend(*sessions[i], ping, now);
  std::erase_if(sessions, [](const auto& session) { return session->over; });
  while (!gone.empty() && (gone.front().first + gone_shown < now || gone.size() > gone_shown_max)) {
    gone.pop_front();
  }
  show();
  loop.suspend(*this, ping_at, never);
}

void Members::Impl::attend(Session& session, bool ping, Time now) {
  if (session.over) return;
  if (session.is_stranger()) {
    if (now - session.since <= options.greeting_max) return;
    if (!session.refused)
      complain("a connection from " + session.address + " is no worker's: it does not say who it is");
    return forget(session);
  }
  if (session.closed_at) {
    if (now - *session.closed_at > closing_time_max) cut(session, session.how);
    return;
  }
  if (ping) {
    if (session.unanswered_count * ping_period > options.silence_max) {
      return cut(session, "it says nothing for " + duration_text(options.silence_max));
    }
    if (session.unanswered_count == silent_count) session.colleague->silent = true;
    ++session.unanswered_count;
    session.link->send({.kind = FrameKind::ping}, {});
  }
  if (session.state == NodeState::starting && now - session.since > options.greeting_max) {
    cut(session, "it did not connect to each core");
  } else if (session.link->unsent_bytes() > unsent_bytes_max) {
    cut(session, "it does not read what it is sent");
  }
}

void Members::Impl::heard(Session& session, const wire::Frame& frame) {
  if (session.over || session.refused) return;
  if (session.is_stranger()) return meet(session, frame);
  session.unanswered_count = 0;
  if (session.colleague->silent.exchange(false)) {
    on_each_core([](worker::Crew& crew) { crew.serve_waiting(); });
  }
  switch (frame.head.kind) {
    case FrameKind::pong:
      if (const auto load = wire::read_load(frame.body)) session.load = *load;
      return;
    case FrameKind::tree:
      return take_tree(session, frame);
    case FrameKind::want:
      return supply(session, frame);
    case FrameKind::goaway:
      if (session.state == NodeState::draining) return;
      session.state = NodeState::draining;
      return changed(session.describe());
    default:
      return cut(session, "it sent a frame that is not for us");
  }
}

void Members::Impl::supply(Session& session, const wire::Frame& frame) {
  const auto want = wire::read_want(frame.body);
  if (!want) return cut(session, "it wants no code that there could be");
  if (++session.want_count > wants_max) return cut(session, "it wants too much code at once");
  const worker::WorkerNumber worker = session.colleague->number;
  read_code(*want, [this, worker, asked = frame.head.call](const Result<std::string>& piece) {
    loop.post([this, worker, asked, piece] { send_piece(worker, asked, piece); });
  });
}

void Members::Impl::send_piece(worker::WorkerNumber worker, std::uint64_t asked,
                               const Result<std::string>& piece) {
  Session* const session = find(worker);
  if (session == nullptr) return;
  --session->want_count;
  if (piece && piece->size() <= wire::code_piece_bytes_max) {
    session->link->send({.kind = FrameKind::piece, .call = asked}, *piece);
    return;
  }
  session->link->send({.kind = FrameKind::piece, .flags = wire::piece_missing, .call = asked},
                      piece ? "a piece of code is too large" : piece.error().message);
}

Session* Members::Impl::find(worker::WorkerNumber worker) {
  const auto at = std::ranges::find_if(
      sessions, [worker](const auto& one) { return one->is_member() && one->colleague->number == worker; });
  return at == sessions.end() ? nullptr : at->get();
}

void Members::Impl::broken(worker::WorkerNumber worker, const std::string& why) {
  if (Session* const session = find(worker)) end(*session, "a connection to it broke: " + why);
}

// What it has sent may still be read; what it sends from now on is not heard.
void Members::Impl::end(Session& session, const std::string& why) {
  if (session.closed_at || session.over) return;
  const bool leaves = session.state == NodeState::draining;
  session.how = leaves ? "it has left" : why;
  session.closed_at = clock.now();
  session.link.reset();
  session.below.clear();
  session.state = NodeState::gone;
  const std::string how = "is gone: " + session.join.name + ", " + session.how;
  on_each_core([worker = session.colleague->number, how](worker::Crew& crew) {
    crew.release(worker);
    crew.ended(worker, how);
  });
  const std::string who = std::string(session.role()) + " " + session.join.name;
  const std::string text =
      leaves ? who + " has left" : who + " at " + session.address + " is gone: " + log_safe(session.how, 300);
  if (const auto line = comings.take(text, clock.now())) {
    log::log(leaves ? log::level::info : log::level::warn, "{}", *line);
  }
  gone.emplace_back(clock.now(), session.describe());
  changed(gone.back().second);
}

void Members::Impl::cut(Session& session, const std::string& why) {
  end(session, why);
  const std::string how = "is gone: " + session.join.name + ", " + session.how;
  on_each_core([worker = session.colleague->number, how](worker::Crew& crew) { crew.cut(worker, how); });
  forget(session);
}

// It may be what is heard now, so it lives on until the next beat.
void Members::Impl::forget(Session& session) {
  session.over = true;
  session.link.reset();
  wake();
}

// A place is free for the calls of any core: those whose turn it is are served first, then, where there still
// are places, the next.
void Members::Impl::share_room(std::size_t hops) {
  for (std::size_t step = 0; step < crews.size() && hops > 0; ++step) {
    const std::size_t at = turn.fetch_add(1, std::memory_order_relaxed) % crews.size();
    if (crews[at]->waiting_count() > 0) return serve_soon(at, hops);
  }
}

// Once, however often somebody says that it has a place: those who say so without end would have a core do
// nothing else.
void Members::Impl::serve_soon(std::size_t core, std::size_t hops) {
  if (serves_soon[core].exchange(true)) return;
  cores[core]->post([this, core, hops] {
    serves_soon[core] = false;
    crews[core]->serve_waiting();
    if (crews[core]->has_room()) share_room(hops - 1);
  });
}

Members::Members(MembersOptions options, std::vector<exec::Core*> cores, ReadCode read_code,
                 const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(cores), std::move(read_code), clock)) {}

Members::~Members() {
  stop();
  impl_->loop.leave(*impl_);
}

void Members::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->loop.stop();
  impl_->thread.join();
}

Result<void> Members::start() {
  CANOPY_TRY(impl_->port, net::open_frame_port(impl_->loop.io(), impl_->options.host, impl_->options.port,
                                               wire::join_body_bytes_max, impl_->options.tls,
                                               [impl = impl_.get()](std::unique_ptr<net::FrameLink> link,
                                                                    const std::string& address) {
                                                 impl->greet(std::move(link), address);
                                               }));
  impl_->thread = std::jthread([impl = impl_.get()]() noexcept {
    impl->begin();
    impl->loop.run();
  });
  return {};
}

void Members::begin() { impl_->begin(); }
std::size_t Members::poll() { return impl_->loop.poll(); }
void Members::greet(std::unique_ptr<net::FrameLink> link, const std::string& address) {
  impl_->greet(std::move(link), address);
}

std::vector<worker::Crew*> Members::crews() {
  std::vector<worker::Crew*> all;
  for (const auto& crew : impl_->crews) all.push_back(crew.get());
  return all;
}

policy::Dispatch Members::way_of(const Function& function) const {
  const auto own = wire::own_dispatch(function.env);
  if (!impl_->has_exceptions.load(std::memory_order_relaxed))
    return own.value_or(impl_->mode.load(std::memory_order_relaxed));
  const std::lock_guard lock(impl_->mutex);
  return policy::choose_dispatch(impl_->rules, function.name, own);
}

std::vector<Node> Members::nodes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->shown;
}

std::size_t Members::ready_count() const { return impl_->ready_count; }

void Members::listen(Listener listener) {
  const std::lock_guard lock(impl_->mutex);
  impl_->listener = std::move(listener);
}

policy::DispatchRules Members::rules() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->rules;
}

void Members::set_rules(policy::DispatchRules rules) {
  const std::lock_guard lock(impl_->mutex);
  impl_->mode = rules.mode;
  impl_->has_exceptions = !rules.functions.empty();
  impl_->rules = std::move(rules);
}

std::string Members::address() const {
  const std::string& host = impl_->options.host;
  const std::uint16_t port = impl_->port ? impl_->port->port() : impl_->options.port;
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

}  // namespace canopy::balance
