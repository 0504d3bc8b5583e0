// What workers say: their hellos, offers and asks, and how calls end.

#include <algorithm>
#include <optional>
#include <utility>

#include "base/units.h"
#include "wire/node_frames.h"
#include "worker/crew.h"
#include "worker/peer.h"

namespace canopy::worker {
namespace {

using wire::FrameKind;

Error too_much_output(const Definition& definition) {
  return {Code::internal,
          "its worker sent more output than the " + size_text(definition.function.limits.output_bytes) +
              " that the function may have",
          Stage::reply};
}

// What a worker on another machine says of itself is believed as far as it can be: not what takes longer than
// the call's own time here, nor what would not fit the sums. Clocks are not compared: what is left of `all`
// of its time when those of the worker are taken off is the way there and back.
void settle(Usage& usage, Duration all) {
  constexpr Duration slack = std::chrono::seconds(1);  // Of its clock.
  constexpr Duration longest = std::chrono::hours(24 * 366);
  constexpr std::int64_t processors_max = 1024;
  const Duration most = std::clamp(all, Duration::zero(), longest);
  usage.run_time = std::min(usage.run_time, most);
  const Duration waited_there = std::min(usage.wait_time, most - usage.run_time);
  usage.start_time = std::min(usage.start_time, waited_there);
  usage.wait_time = most - usage.run_time;
  usage.hop_time = usage.wait_time - waited_there;
  usage.cpu_time = std::min(usage.cpu_time, (most + slack) * processors_max);
  usage.memory_bytes = std::min<std::uint64_t>(usage.memory_bytes, std::uint64_t{1} << 44U);
}

// `node` is what a balancer says of those below it.
void name_node(const Colleague& colleague, std::string& node) {
  if (!colleague.balancer || node.empty()) {
    node = colleague.name;
  } else {
    node.insert(0, colleague.name + "/");
  }
}

}  // namespace

// Once, since it is not heard any more: else what it sends without end would be as many lines of the log.
void Crew::distrust(Peer& peer, const std::string& what) {
  if (peer.closed) return;
  peer.closed = true;
  if (peer.how) return;
  on_broken_(peer.colleague->number, what);
}

void Crew::on_frame(Peer& peer, const wire::Frame& frame) {
  if (peer.closed) return;
  switch (frame.head.kind) {
    case FrameKind::hello: {
      const auto hello = wire::read_hello(frame.body);
      if (!hello || hello->version != wire::frame_version) {
        return distrust(peer, "it speaks another version than this program");
      }
      peer.ready = true;
      peer.credit = hello->credit;
      return on_room();
    }
    case FrameKind::log:
      if (const auto at = peer.calls.find(frame.head.call); at != peer.calls.end() && at->second != nullptr) {
        at->second->call_->log->write(CallLog::Stream::err, frame.body);
      }
      return;
    case FrameKind::data:
      if (const auto at = peer.calls.find(frame.head.call); at != peer.calls.end() && at->second != nullptr) {
        add_output(*at->second, frame.body);
      }
      return;
    case FrameKind::end:
      return on_end(peer, frame);
    case FrameKind::refuse:
      return on_refusal(peer, frame.head.call);
    case FrameKind::offer:
      return on_offer(peer, frame);
    case FrameKind::warm:
      return on_warm(peer, frame);
    case FrameKind::goaway:
      peer.leaving = true;
      return close_if_done(peer);
    case FrameKind::ask:
      peer.colleague->ask(frame.head.call, core_.clock().now());
      return on_room();
    default:
      return distrust(peer, "it sent a frame that is not for us");
  }
}

// It has no place for it, or is leaving. Where it stays, it still wants the call that it asked for.
void Crew::on_refusal(Peer& peer, std::uint64_t number) {
  const Time now = core_.clock().now();
  const bool had_it = peer.calls.contains(number);
  RemoteCall* const call = take_off(peer, number);
  if (had_it && peer.colleague->joined && !peer.leaving) peer.colleague->ask(1, now);
  if (call != nullptr && !call->reply_.output.empty()) {
    call->reply_.lost = true;  // It was begun, whatever is said of it now.
    fail(*call, {Code::died, "its worker gave it back with a part of its output", Stage::run});
  } else if (call != nullptr) {
    std::erase_if(peer.refused, [now](const auto& one) { return one.second <= now; });
    peer.refused.emplace_back(call->definition_->number, now + refusal_kept);
    try_elsewhere(*call);
  }
  close_if_done(peer);
  on_room();
}

void Crew::on_offer(Peer& peer, const wire::Frame& frame) {
  auto offer = wire::read_offer(frame);
  if (!offer || !peer.colleague->balancer) return distrust(peer, "it sent an offer that is none");
  peer.runtimes = offer->runtimes;
  peer.refused.clear();
  if (peer.colleague->set_slots(offer->slots, offer->number) && options_.on_offer) {
    options_.on_offer(peer.colleague->number, *offer);
  }
  on_room();
}

// A worker that keeps to the limits sends no more than that; one that does not is not to use up our memory.
void Crew::add_output(RemoteCall& call, std::string_view piece) {
  std::string& output = call.reply_.output;
  const std::uint64_t limit = call.definition_->function.limits.output_bytes;
  output += piece;
  if (output.size() <= limit) return;
  output.clear();
  call.peer_->link->send({.kind = FrameKind::cancel, .call = call.number_}, {});
  give_up(call);
  fail(call, too_much_output(*call.definition_));
}

void Crew::on_end(Peer& peer, const wire::Frame& frame) {
  const Time now = core_.clock().now();
  const bool was_running = peer.calls.contains(frame.head.call);
  RemoteCall* const call = take_off(peer, frame.head.call);
  if (was_running && (frame.head.flags & wire::end_asks) != 0) peer.colleague->ask(1, now);
  peer.refused.clear();
  if (call != nullptr) {
    add_warm(peer, call->definition_->key);
    const auto dropped = wire::read_end(frame.body, call->reply_);
    if (auto& error = call->reply_.error; error && error->code == Code::canceled && !call->canceled_) {
      *error = {Code::internal, "its worker says that it was cancelled, and nobody asked for that",
                Stage::run};
    }
    call->reply_.lost = (frame.head.flags & wire::end_lost) != 0 && call->reply_.error.has_value();
    if (dropped && call->reply_.output.size() > call->definition_->function.limits.output_bytes) {
      fail(*call, too_much_output(*call->definition_));
    } else if (dropped) {
      settle(call->reply_.usage, now - call->call_->queued);
      name_node(*peer.colleague, call->reply_.node);
      call->call_->log->add_dropped(std::min<std::uint64_t>(*dropped, std::uint64_t{1} << 44U));
      ended_count_.fetch_add(1, std::memory_order_relaxed);
      run_time_.fetch_add(call->reply_.usage.run_time.count(), std::memory_order_relaxed);
      finish(*call);
    } else {
      fail(*call, {Code::internal, "a worker's reply: " + dropped.error().message, Stage::reply});
    }
  }
  close_if_done(peer);
  on_room();
}

}  // namespace canopy::worker
