#include "worker/crew.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/units.h"
#include "wire/node_frames.h"
#include "worker/peer.h"

namespace canopy::worker {
namespace {

using wire::FrameKind;

// A worker tells of a deadline itself, with what the call used and logged; who has not done so by then is
// hung.
constexpr Duration deadline_grace = std::chrono::milliseconds(100);
// And who puts the deadline off, since it still fetches or loads the function, may do so for so long.
constexpr Duration start_grace = std::chrono::minutes(2);
constexpr Duration cancel_grace = std::chrono::seconds(2);
// So long a call waits where no worker is there at all: one that ended is back by then, or cannot be had.
constexpr Duration patience = std::chrono::seconds(5);
constexpr std::size_t skipped_max = 64;  // Calls in line that nobody has room for, before one that has it.

void drop_one(std::atomic<std::size_t>& count) { count.fetch_sub(1, std::memory_order_relaxed); }
void add_one(std::atomic<std::size_t>& count) { count.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

void RemoteCall::abandon() {
  if (call_ == nullptr || ended_) return;
  crew_.give_up(*this);
  crew_.finish(*this);
}
void RemoteCall::take() { crew_.turn(*this); }
void RemoteCall::expire() { crew_.expire(*this); }

Crew::Crew(exec::Core& core, const CrewOptions& options, OnBroken on_broken)
    : core_(core), options_(options), on_broken_(std::move(on_broken)), random_(options.seed) {}

Crew::~Crew() {
  CANOPY_CHECK(waiting_.empty());
  for (const auto& peer : peers_) {
    for (const auto& [number, call] : peer->calls) CANOPY_CHECK(call == nullptr);
  }
}

void Crew::attach(std::shared_ptr<Colleague> worker, std::unique_ptr<net::FrameLink> link) {
  peers_.push_back(std::make_unique<Peer>(*this, std::move(worker), std::move(link)));
  Peer& peer = *peers_.back();
  const Colleague& colleague = *peer.colleague;
  peer.key = colleague.key != 0 ? colleague.key : policy::hash_of(std::to_string(colleague.number));
  const std::pair entry(peer.key, &peer);
  ring_.insert(std::ranges::lower_bound(ring_, entry), entry);
  peer.link->listen(peer);
}

void Crew::release(WorkerNumber worker) {
  for (const auto& peer : peers_) {
    if (peer->colleague->number != worker) continue;
    peer->leaving = true;
    return close_if_done(*peer);
  }
}

void Crew::close_if_done(Peer& peer) {
  if (peer.leaving && peer.calls.empty() && !peer.closed) peer.link->close();
}

void Crew::ended(WorkerNumber worker, const std::string& how) {
  for (const auto& peer : peers_) {
    if (peer->colleague->number != worker) continue;
    peer->how = how;
    if (peer->closed) bury(*peer);  // Else there may be ends to be read.
    return;
  }
}

void Crew::cut(WorkerNumber worker, const std::string& how) {
  for (const auto& peer : peers_) {
    if (peer->colleague->number != worker) continue;
    peer->closed = true;
    peer->how = how;
    return bury(*peer);
  }
}

void Crew::on_closed(Peer& peer, const std::string& why) {
  peer.closed = true;
  // How it ended is known when its parent has seen it.
  if (peer.how) return bury(peer);
  if (!peer.leaving) on_broken_(peer.colleague->number, why);
}

// It is gone for good, and `peer` with it.
void Crew::bury(Peer& peer) {
  const std::uint64_t sent = peer.link->sent_bytes();
  std::vector<RemoteCall*> unsent;
  while (!peer.calls.empty()) {
    const std::uint64_t number = peer.calls.begin()->first;
    RemoteCall* const call = take_off(peer, number);
    if (call == nullptr) continue;
    if (call->place_ >= sent) {
      unsent.push_back(call);
    } else if (call->canceled_) {
      fail(*call, {Code::canceled, "the call was cancelled", Stage::run});
    } else {
      call->reply_.lost = true;
      fail(*call, {Code::died, "the worker process that ran it " + *peer.how, Stage::run});
    }
  }
  forget_peer(peer);
  std::ranges::sort(unsent, [](const RemoteCall* a, const RemoteCall* b) { return a->number_ > b->number_; });
  for (RemoteCall* const call : unsent) try_elsewhere(*call);
  serve_waiting();
}

// It was certainly not begun.
void Crew::try_elsewhere(RemoteCall& call) {
  if (call.canceled_) return fail(call, {Code::canceled, "the call was cancelled", Stage::queue});
  wait(call, true);
}

void Crew::begin(RemoteCall& call) {
  ++call.definition_->call_count;
  call.deadline_ = call.call_->deadline;
  const bool may_start = waiting_.empty() && running_count() < options_.running_max;
  if (Peer* const peer = may_start ? choose(call) : nullptr) return send(*peer, call);
  if (waiting_.size() < options_.waiting_max || options_.refuses) {
    wait(call, false);
    // What stands in front of it may be what nobody here can run; and another core may have given a place
    // back before it saw that somebody waits here.
    if (waiting_.size() > 1 || options_.on_room) serve_waiting();
    return;
  }
  call.reply_.unbegun = true;
  fail(call, {Code::unavailable,
              "as many calls wait for a worker as may, " + std::to_string(options_.waiting_max) +
                  " on each core; try again, or raise 'queue-max'",
              Stage::queue});
}

void Crew::wait(RemoteCall& call, bool in_front) {
  const Time now = core_.clock().now();
  if (now >= call.deadline_) return expire(call);
  if (options_.refuses) {
    call.reply_.unbegun = true;
    return fail(call, {Code::unavailable, "nobody below has a place for it", Stage::queue});
  }
  in_front ? waiting_.push_front(&call) : waiting_.push_back(&call);
  add_one(waiting_count_);
  // Whoever gives a place back looks for who waits after it, and who waits looks for a place after this.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  call.waits_ = true;
  call.patience_end_ = now + patience;
  // Who sent it back takes another of its function after a while, without a word.
  core_.suspend(call, now + (in_front ? refusal_kept : patience), call.deadline_);
}

void Crew::leave_line(RemoteCall& call) {
  if (!std::exchange(call.waits_, false)) return;
  waiting_.erase(std::ranges::find(waiting_, &call));
  drop_one(waiting_count_);
}

// In their order, but one that nobody can take now holds up nobody who can be served.
void Crew::serve_waiting() {
  if (std::exchange(serving_, true)) return;
  std::size_t at = 0;
  while (at < waiting_.size() && at < skipped_max && running_count() < options_.running_max && has_room()) {
    RemoteCall& call = *waiting_[at];
    Peer* const peer = choose(call);
    if (peer == nullptr) {
      ++at;
      continue;
    }
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    drop_one(waiting_count_);
    call.waits_ = false;
    send(*peer, call);
  }
  serving_ = false;
}

void Crew::on_room() {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // See wait().
  options_.on_room ? options_.on_room() : serve_waiting();
}

bool Crew::define(Peer& peer, const Definition& definition) {
  if (peer.functions.contains(definition.number)) return true;
  wire::write_function(definition.function, body_);
  if (body_.size() > wire::frame_body_bytes_max) return false;
  peer.functions.insert(definition.number);
  peer.link->send({.kind = FrameKind::define, .call = definition.number}, body_);
  return true;
}

void Crew::send(Peer& peer, RemoteCall& call) {
  if (!define(peer, *call.definition_)) {
    peer.colleague->give_back(core_.clock().now());
    return fail(call, {Code::limit,
                       "the variables and secrets of the function are more than " +
                           size_text(wire::frame_body_bytes_max) + ", which no worker process is told",
                       Stage::start});
  }
  Call& asked = *call.call_;
  const Time now = core_.clock().now();
  asked.put_off_deadline(now);  // The time in line was not its function's.
  call.peer_ = &peer;
  call.number_ = ++call_count_;
  peer.calls.emplace(call.number_, &call);
  add_one(running_count_);
  wire::write_open(asked, call.definition_->number, now, body_);
  call.place_ = peer.link->send({.kind = FrameKind::open, .call = call.number_}, body_);
  for (std::size_t at = wire::piece_bytes_max; at < asked.input.size(); at += wire::piece_bytes_max) {
    peer.link->send({.kind = FrameKind::data, .call = call.number_},
                    asked.input.substr(at, wire::piece_bytes_max));
  }
  Time late = asked.deadline;
  if (late < asked.deadline_latest) late = std::min(asked.deadline_latest, late + start_grace);
  core_.suspend(call, never, late == never ? never : late + deadline_grace);
}

RemoteCall* Crew::take_off(Peer& peer, std::uint64_t number) {
  const auto at = peer.calls.find(number);
  if (at == peer.calls.end()) return nullptr;
  RemoteCall* const call = at->second;
  peer.calls.erase(at);
  peer.colleague->give_place();
  drop_one(running_count_);
  if (call != nullptr) {
    call->peer_ = nullptr;
    core_.leave(*call);
  }
  return call;
}

void Crew::finish(RemoteCall& call) {
  core_.leave(call);
  leave_line(call);
  --call.definition_->call_count;
  call.ended_ = true;
  call.done_.set();
}

void Crew::fail(RemoteCall& call, Error error) {
  call.reply_.error = std::move(error);
  finish(call);
}

// The worker may still be at it: its end is heard by nobody, but counts.
void Crew::give_up(RemoteCall& call) {
  if (call.peer_ == nullptr) return;
  call.peer_->calls.at(call.number_) = nullptr;
  call.peer_ = nullptr;
}

void Crew::cancel(RemoteCall& call) {
  if (call.ended_ || std::exchange(call.canceled_, true)) return;
  if (call.peer_ == nullptr) return fail(call, {Code::canceled, "the call was cancelled", Stage::queue});
  call.peer_->link->send({.kind = FrameKind::cancel, .call = call.number_}, {});
  core_.suspend(call, never, core_.clock().now() + cancel_grace);
}

// It has waited for `patience`.
void Crew::turn(RemoteCall& call) {
  if (!call.waits_) return;
  const Time now = core_.clock().now();
  const bool may_come = now < call.patience_end_;
  if (may_come || has_ready(call)) {
    core_.suspend(call, may_come ? call.patience_end_ : now + patience, call.deadline_);
    return serve_waiting();
  }
  call.reply_.unbegun = true;
  const bool any = std::ranges::any_of(peers_, [](const auto& peer) { return peer->takes_calls(); });
  fail(call, {Code::unavailable,
              any ? "no worker that is here has the runtime '" + call.definition_->function.runtime + "'"
                  : options_.nobody,
              Stage::queue});
}

void Crew::expire(RemoteCall& call) {
  if (call.ended_) return;
  if (call.canceled_) {
    give_up(call);
    return fail(call, {Code::canceled, "the call was cancelled", Stage::run});
  }
  const std::string waited = duration_text(
      std::chrono::duration_cast<std::chrono::milliseconds>(core_.clock().now() - call.call_->queued));
  if (call.peer_ == nullptr) {
    call.reply_.unbegun = true;  // A durable call goes back to its queue: its function had no part in this.
    return fail(
        call, {Code::deadline,
               "the deadline passed after " + waited + ", while all workers were busy; " + options_.all_busy,
               Stage::queue});
  }
  call.peer_->link->send({.kind = FrameKind::cancel, .call = call.number_}, {});
  give_up(call);
  fail(call, {Code::deadline, "the deadline passed after " + waited + ", and its worker did not answer",
              Stage::run});
}

void Crew::forget(const Definition& definition) {
  for (const auto& peer : peers_) {
    if (peer->functions.erase(definition.number) == 0 || peer->closed) continue;
    peer->link->send({.kind = FrameKind::forget, .call = definition.number}, {});
  }
}

}  // namespace canopy::worker
