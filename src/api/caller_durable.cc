// How a core runs a durable call: as one that came in by HTTP, but for nobody who waits. Its places,
// template, counters and log are those of every call; its record is the log's of durable calls, and here only
// so that its function's logs show it.

#include <algorithm>
#include <utility>

#include "api/call_reply.h"
#include "api/call_started.h"
#include "api/caller.h"
#include "api/protocol.h"
#include "net/blocking_pool.h"
#include "policy/admit.h"

namespace canopy::api {

namespace {

constexpr Duration refusal_rest = std::chrono::seconds(5);

}  // namespace

net::Task<calls::RunEnd> Caller::run(calls::Work work) {
  calls::RunEnd ended;
  if (table_.find(work.call->function) == nullptr && !co_await look_again()) {
    ended.busy = true;  // Nobody can say now whether there is such a function: it comes back.
    co_return ended;
  }
  Running* const running = begin(work, ended);
  if (running == nullptr) co_return ended;
  Reply reply = co_await execute(*running, work.call->queued);
  // Whoever was to run it was not there: that is no failure of the function's.
  ended.busy = reply.unbegun && !running->stopped;
  end(work, *running, reply, ended);
  co_return ended;
}

// Another server that shares the catalog may have deployed a function and taken a call of it a moment ago.
net::Task<bool> Caller::look_again() {
  const std::function<Result<bool>()> work = [&catalog = platform_.catalog]() -> Result<bool> {
    CANOPY_TRY_VOID(catalog.catch_up());
    return true;
  };
  const Result<bool> done = co_await net::run_blocking(platform_.disk, work);
  co_return done.has_value();
}

// Null where it does not begin; `end` says why.
Running* Caller::begin(const calls::Work& work, calls::RunEnd& end) {
  const DurableCall& asked = *work.call;
  const WallTime wall = core_.clock().wall_now();
  end.outcome.started = end.outcome.ended = wall;
  Version* const version = table_.find(asked.function);
  if (version == nullptr) {
    end.outcome.error =
        Error{Code::not_found,
              "there is no function " + to_text(asked.function) + " any more; deploy it, then retry the call",
              Stage::start};
    return nullptr;
  }
  if (version->refusal) {  // Another server may have the right key, and this one again.
    end.busy = true;
    end.busy_for = refusal_rest;
    return nullptr;
  }
  // An attempt that was let go may still run here.
  if (Running* const old = running_.find(asked.id)) {
    stop(*old, "another attempt of the call has begun");
    end.busy = true;
    return nullptr;
  }
  if (!version->entry.places->take(core_.index())) {
    end.busy = true;
    return nullptr;
  }
  const Time now = core_.clock().now();
  if (version->owner != nullptr && !version->owner->enter(core_.index(), now, end.busy_for)) {
    version->entry.places->give(core_.index());
    end.busy = true;
    return nullptr;
  }
  Running& running = running_.begin(asked.id);
  running.version = version;
  running.trace = asked.trace;
  running.queued = wall;
  Call& call = running.call;
  call.attempt = work.attempt;
  call.queued = now;
  std::optional<Duration> timeout;
  if (asked.timeout > Duration::zero()) timeout = asked.timeout;
  call.deadline =
      policy::call_deadline(now, version->function->limits, timeout, platform_.options.call_timeout_max);
  call.deadline_latest = never;
  if (asked.deadline != WallTime()) {
    call.deadline_latest = now + std::max(asked.deadline - wall, Duration::zero());
    call.deadline = std::min(call.deadline, call.deadline_latest);
  }
  call.function = version->function.get();
  call.method = asked.method;
  call.path = asked.path;
  call.query = asked.query;
  call.input = asked.input;
  call.log = &running.log;
  for (const Header& header : asked.headers) call.headers.push_back({header.name, header.value});
  trace(running);
  table_.begin_call(*version, now);
  publish_start(running);
  for (Protocol* const protocol : platform_.protocols) protocol->on_begun(asked.id, asked.function);
  return &running;
}

void Caller::end(const calls::Work& work, Running& running, Reply& reply, calls::RunEnd& end) {
  if (running.stopped && (!reply.error || reply.error->code == Code::canceled)) {
    reply.error = std::move(running.stopped);
  }
  if (!reply.error) reply.error = check_reply(reply);
  if (reply.is_unmeasured()) reply.usage.wait_time = core_.clock().now() - running.call.queued;
  Entry& entry = running.version->entry;
  Version& version = *running.version;
  const bool cold = reply.usage.cold;
  Outcome& outcome = end.outcome;
  outcome.version = version.function->version;
  outcome.exit_code = reply.exit_code;
  outcome.started = running.queued + reply.usage.wait_time;
  outcome.ended = core_.clock().wall_now();
  outcome.log_dropped_bytes = running.log.dropped_bytes();
  outcome.log = running.log.text();
  const std::size_t output_bytes = reply.error ? 0 : reply.output.size();
  const std::size_t log_bytes = outcome.log.size();
  if (!end.busy) {
    count(running, reply, output_bytes);
    measure(running, reply, output_bytes);
  }
  Record record = make_record(running, reply, output_bytes);
  outcome.usage = reply.usage;
  outcome.usage.wait_time += std::max<Duration>(running.queued - work.call->queued, Duration::zero());
  record.usage.wait_time = outcome.usage.wait_time;
  record.queued = work.call->queued;
  outcome.error = reply.error;
  outcome.lost = reply.lost;
  outcome.status = reply.error ? 0 : reply.status;
  record.status = reply.error ? http_status(reply.error->code) : reply.status;
  record.error = std::move(reply.error);
  if (!record.error) {
    outcome.headers = std::move(reply.headers);
    outcome.output = std::move(reply.output);
  } else {
    outcome.output = std::move(reply.raised);
  }
  if (!end.busy) {
    tell(running, record, reply.node, true);
    platform_.records.add(core_.index(), std::move(record));
  }
  entry.places->give(core_.index());
  if (version.owner != nullptr) {
    version.owner->leave(core_.index(), core_.clock().now(), log_bytes, output_bytes);
  }
  running_.end(running);
  table_.end_call(version);
  if (cold) table_.unload_beyond(room_);
}

}  // namespace canopy::api
