#include "worker/worker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "worker/worker_impl.h"

namespace canopy::worker {

using wire::FrameKind;

Worker::Worker(exec::Core& core, const exec::Runtimes& runtimes, net::BlockingPool& disk,
               const WorkerOptions& options)
    : core_(core),
      runtimes_(runtimes),
      disk_(disk),
      options_(options),
      warm_report_(std::make_unique<WarmReport>(*this)) {}

Worker::~Worker() { CANOPY_CHECK(running_count_ == 0); }

void Worker::serve(std::unique_ptr<net::FrameLink> link) {
  lines_.push_back(std::make_shared<Line>(*this, std::move(link)));
  Line& line = *lines_.back();
  wire::write_hello({.version = wire::frame_version,
                     .credit = options_.relay == nullptr ? options_.slots : wire::join_slots_max,
                     .process = static_cast<std::uint64_t>(getpid())},
                    body_);
  line.link->send({.kind = FrameKind::hello}, body_);
  if (options_.relay != nullptr) tell_offer(line);
  // All its places are asked for once: the first of its connections does it for all.
  if (options_.asks && lines_.size() == 1) {
    line.link->send({.kind = FrameKind::ask, .call = slots()}, {});
  }
  if (!warm_.empty()) {
    wire::write_warm({.added = warm_, .removed = {}}, body_);
    line.link->send({.kind = FrameKind::warm}, body_);
  }
  if (draining_) line.link->send({.kind = FrameKind::goaway}, {});  // It was on its way when that began.
  line.link->listen(line);
}

void Worker::set_offer(std::uint32_t slots, std::vector<std::string> runtimes) {
  const std::uint32_t more = slots - std::min(offer_.slots, slots);
  offer_ = {.number = offer_.number + 1, .slots = slots, .runtimes = std::move(runtimes)};
  for (const auto& line : lines_) tell_offer(*line);
  if (more > 0 && !lines_.empty() && !draining_) {
    lines_.front()->link->send({.kind = FrameKind::ask, .call = more}, {});
  }
}

void Worker::tell_offer(Line& line) {
  wire::write_offer(offer_, body_);
  line.link->send(wire::offer_head(offer_), body_);
}

void Worker::drain(std::function<void()> done) {
  if (std::exchange(draining_, true)) return;
  drained_ = std::move(done);
  for (const auto& line : lines_) line->link->send({.kind = FrameKind::goaway}, {});
  tell_if_drained();
}

void Worker::cut() {
  for (const auto& line : std::vector(lines_)) on_closed(*line);
}

void Worker::tell_if_drained() {
  if (!lines_.empty() || running_count_ > 0 || !drained_) return;
  const auto told = std::exchange(drained_, nullptr);
  told();
}

void Worker::on_frame(Line& line, const wire::Frame& frame) {
  switch (frame.head.kind) {
    case FrameKind::define: {
      auto function = wire::read_function(frame.body);
      if (!function) return complain("a function came that cannot be read: " + function.error().message);
      auto served = std::make_shared<Served>();
      served->function = *std::move(function);
      line.functions.insert_or_assign(frame.head.call, std::move(served));
      return;
    }
    case FrameKind::forget:
      line.functions.erase(frame.head.call);
      return note_warm();
    case FrameKind::open:
      return open(line, frame);
    case FrameKind::data:
      return add_input(line, frame);
    case FrameKind::cancel:
      if (const auto at = line.calls.find(frame.head.call); at != line.calls.end()) {
        at->second->canceled = true;
        if (at->second->instance != nullptr) at->second->instance->cancel();
      }
      return;
    default:
      return complain("a frame came that is not for a worker");
  }
}

void Worker::open(Line& line, const wire::Frame& frame) {
  if (draining_) {
    line.link->send({.kind = FrameKind::refuse, .call = frame.head.call}, {});
    return;
  }
  auto opened = wire::read_open(frame.body);
  if (!opened) return reject(line, frame.head.call, opened.error().message);
  const auto served = line.functions.find(opened->function);
  if (served == line.functions.end()) {
    return reject(line, frame.head.call,
                  "no function came under the number " + std::to_string(opened->function));
  }
  if (line.calls.contains(frame.head.call)) return complain("a call came under a number that is in use");
  auto running = std::make_shared<Running>();
  running->line = line.shared_from_this();
  running->number = frame.head.call;
  running->served = served->second;
  running->opened = *std::move(opened);
  const Time now = core_.clock().now();
  const wire::OpenedCall& from = running->opened;
  Call& call = running->call;
  call.id = from.id;
  call.function = &running->served->function;
  call.queued = now - from.waited;
  if (from.left) call.deadline = now + *from.left;
  if (from.latest > Duration::zero()) call.deadline_latest = now + from.latest;
  call.put_off_until = now;  // By what it waited there, it is.
  call.attempt = from.attempt;
  call.method = from.method;
  call.path = from.path;
  call.query = from.query;
  for (const Header& header : from.headers) call.headers.push_back({header.name, header.value});
  call.log = &running->log;
  running->log = CallLog(running->served->function.limits.log_bytes);
  running->log.on_write = [raw = running.get()](std::string_view piece) {
    for (; raw->line->link && !piece.empty();
         piece.remove_prefix(std::min(piece.size(), wire::piece_bytes_max))) {
      raw->line->link->send({.kind = FrameKind::log, .call = raw->number},
                            piece.substr(0, wire::piece_bytes_max));
    }
  };
  ++running->served->call_count;
  ++running_count_;
  line.calls.emplace(running->number, running);
  if (from.input.size() == from.input_bytes) begin(running);
}

void Worker::complain(const std::string& what) {
  if (const auto line = complaints_.take(log_safe(what), core_.clock().now())) log::warn("{}", *line);
}

// A mistake of ours on one of the two sides: another worker would find the same, so it is an answer.
void Worker::reject(Line& line, std::uint64_t call, const std::string& why) {
  complain("a call came that cannot be begun: " + why);
  Reply reply;
  reply.error = Error{Code::internal, "its worker cannot begin it: " + why, Stage::start};
  wire::write_end(reply, {}, 0, body_);
  line.link->send(
      {.kind = FrameKind::end, .flags = options_.asks ? wire::end_asks : std::uint8_t{0}, .call = call},
      body_);
}

void Worker::add_input(Line& line, const wire::Frame& frame) {
  const auto at = line.calls.find(frame.head.call);
  if (at == line.calls.end() || at->second->begun) return;  // It was refused.
  wire::OpenedCall& opened = at->second->opened;
  opened.input += frame.body;
  if (opened.input.size() >= opened.input_bytes) begin(at->second);
}

void Worker::begin(const std::shared_ptr<Running>& running) {
  running->begun = true;
  running->call.input = running->opened.input;
  net::asio::co_spawn(core_.io(), run(running), net::asio::detached);
}

net::Task<void> Worker::run(std::shared_ptr<Running> running) {
  Reply reply;
  const bool found_now = !running->served->ready;
  Time made{};
  Duration making{};
  if (found_now) {
    const Time since = core_.clock().now();
    const auto ready = co_await make_ready(running->served);
    made = core_.clock().now();
    making = made - since;
    reply.usage.wait_time = made - running->call.queued;
    if (!ready) reply.error = ready.error();
  }
  if (!reply.error && running->canceled) {
    reply.error = Error{Code::canceled, "the call was cancelled", Stage::start};
  }
  if (!reply.error) {
    if (found_now) running->call.put_off_deadline(made);
    const auto instance = running->served->ready->start(core_);
    running->instance = instance.get();
    reply = co_await instance->run(running->call);
    running->instance = nullptr;
    if (!std::exchange(running->served->loaded, true)) note_warm();
    // What was made may be gone from the disk: the next call has it made again.
    const bool missing = reply.error && reply.error->code == Code::unavailable;
    if (missing && options_.provider != nullptr) running->served->ready = nullptr;
  }
  if (found_now && options_.relay == nullptr) reply.usage.add_start(making);
  end(*running, reply);
  if (reply.usage.cold) unload_beyond_room();
  tell_if_drained();
}

void Worker::end(Running& running, Reply& reply) {
  Line& line = *running.line;
  // Whoever sent the call would not believe another: it is a mistake of ours.
  if (reply.error && !wire::is_of_a_run(reply.error->code)) reply.error->code = Code::internal;
  running.served->used = core_.clock().now();
  if (reply.is_unmeasured()) reply.usage.wait_time = running.served->used - running.call.queued;
  --running.served->call_count;
  --running_count_;
  if (line.link && options_.relay != nullptr && reply.unbegun) {
    line.link->send({.kind = FrameKind::refuse, .call = running.number}, {});
  } else if (line.link) {
    std::string_view output = reply.output;
    while (output.size() > wire::piece_bytes_max) {
      line.link->send({.kind = FrameKind::data, .call = running.number},
                      output.substr(0, wire::piece_bytes_max));
      output.remove_prefix(wire::piece_bytes_max);
    }
    wire::write_end(reply, output, running.log.dropped_bytes(), body_);
    if (body_.size() > wire::frame_body_bytes_max) {  // Of headers.
      Reply shorter;
      shorter.usage = reply.usage;
      shorter.error =
          Error{Code::limit, "the reply's headers are larger than a worker can send", Stage::reply};
      wire::write_end(shorter, {}, running.log.dropped_bytes(), body_);
    }
    const bool asks = options_.asks && !draining_;
    const auto flags =
        static_cast<std::uint8_t>((asks ? wire::end_asks : 0) | (reply.lost ? wire::end_lost : 0));
    line.link->send({.kind = FrameKind::end, .flags = flags, .call = running.number}, body_);
  }
  line.calls.erase(running.number);
}

// Whoever sent the calls is gone: nobody wants them.
void Worker::on_closed(Line& line) {
  const auto self = line.shared_from_this();
  line.link.reset();
  std::vector<std::shared_ptr<Running>> calls;
  for (const auto& [number, running] : line.calls) calls.push_back(running);
  for (const auto& running : calls) {
    running->canceled = true;
    if (running->instance != nullptr) running->instance->cancel();
    if (running->begun) continue;
    --running->served->call_count;
    --running_count_;
    line.calls.erase(running->number);
  }
  std::erase(lines_, self);
  note_warm();
  tell_if_drained();
}

}  // namespace canopy::worker
