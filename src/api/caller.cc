#include "api/caller.h"

#include <algorithm>
#include <utility>

#include "api/auth.h"
#include "api/call_reply.h"
#include "api/call_started.h"
#include "base/check.h"
#include "policy/admit.h"
#include "wire/headers.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

// On all cores: each takes a descriptor and four or more of the 65 530 mappings that kernels grant by
// default.
constexpr std::size_t loaded_modules_max = 4096;
constexpr Duration unwatched_time = std::chrono::milliseconds(5);

// Headers that belong to the connection and not to the call.
bool is_hop_by_hop(std::string_view name) {
  switch (name.size()) {
    case 2:
      return wire::same_word(name, "TE");
    case 6:
      return wire::same_word(name, "Expect");
    case 7:
      return wire::same_word(name, "Trailer") || wire::same_word(name, "Upgrade");
    case 10:
      return wire::same_word(name, "Connection") || wire::same_word(name, "Keep-Alive");
    case 16:
      return wire::same_word(name, "Proxy-Connection");
    case 17:
      return wire::same_word(name, "Transfer-Encoding");
    case 19:
      return wire::same_word(name, "Proxy-Authorization");
    default:
      return false;
  }
}

// What opens this server is not for functions to see.
bool is_our_key(std::string_view name, std::string_view value) {
  return name.size() == 13 && wire::same_word(name, "Authorization") && shows_key(value);
}

constexpr std::string_view timeout_header = "X-Canopy-Timeout";
constexpr std::string_view trace_header = "traceparent";

State end_state(const std::optional<Error>& error) {
  if (!error) return State::completed;
  return error->code == Code::canceled ? State::canceled : State::failed;
}

// That a worker ended under the call is no fault of the function's.
net::HttpResponse failure_response(const Reply& reply, CallId id) {
  net::HttpResponse response = error_response(*reply.error, id);
  if (reply.lost) response.body = wire::error_json(*reply.error, id, Origin::platform) + "\n";
  add_usage(reply.usage, id, response);
  return response;
}

Duration mean_run_time(const CallCounters& counters) {
  const auto count = static_cast<Duration::rep>(counters.run_time.count());
  return count == 0 ? Duration::zero() : counters.run_time.sum() / count;
}

}  // namespace

Caller::Caller(Platform& platform, exec::Core& core)
    : platform_(platform),
      core_(core),
      table_(core, platform.catalog, platform.places, platform.owners),
      watch_alarm_(core),
      room_{.bytes_max = platform.options.templates_bytes_max / platform.cores.size(),
            .count_max = std::max<std::size_t>(loaded_modules_max / platform.cores.size(), 1)} {}

Caller::~Caller() { settle(); }

net::Task<net::HttpResponse> Caller::call(net::HttpExchange& exchange, wire::Route route) {
  settle_many();
  Duration retry_after = std::chrono::seconds(1);
  const auto admitted = admit(exchange, route, retry_after);
  if (!admitted) co_return error_response(admitted.error(), std::nullopt, retry_after);

  Running& running = **admitted;
  Reply reply;
  if (!running.version->ready) reply.usage = co_await make_ready(running);
  if (!running.stopped) {
    const bool made_now = reply.usage.cold;
    const Duration making = reply.usage.start_time;
    const auto instance = running.version->ready->start(core_);
    running.version->loaded = true;
    running.instance = instance.get();
    tell_started(platform_.feed, running, making, running.queued);
    reply = co_await instance->run(running.call);
    running.instance = nullptr;
    if (made_now) reply.usage.add_start(making);
  }
  co_return finish(running, reply);
}

Result<Version*> Caller::find(const FunctionName& function) {
  Version* const version = table_.find(function);
  if (version != nullptr && version->refusal) return tl::unexpected(*version->refusal);
  if (version != nullptr) return version;
  return fail(Code::not_found, "there is no function " + to_text(function) + "; deploy it first");
}

Result<Running*> Caller::admit(net::HttpExchange& exchange, const wire::Route& route, Duration& retry_after) {
  CANOPY_TRY(Version* const version, find(route.function));
  std::optional<Duration> asked;
  std::string_view trace;
  for (const auto& [name, value] : exchange.request().headers) {
    if (name.size() == timeout_header.size() && wire::same_word(name, timeout_header)) {
      CANOPY_TRY(asked, wire::parse_timeout(value));
    } else if (name.size() == trace_header.size() && wire::same_word(name, trace_header)) {
      if (wire::parse_traceparent(value)) trace = value;
    }
  }
  CANOPY_TRY(Running* const running, enter(*version, asked, retry_after));
  running->trace = trace;
  fill(*running, exchange, route);
  return running;
}

Result<Running*> Caller::enter(Version& version, std::optional<Duration> asked, Duration& retry_after) {
  Entry& entry = version.entry;
  if (!entry.places->take(core_.index())) {
    const policy::Occupancy occupancy{.running = entry.places->count(),
                                      .running_max = entry.places->count(),
                                      .mean_run_time = mean_run_time(entry.counters)};
    retry_after = policy::admit(occupancy).retry_after;
    ++entry.counters.failed_counts[static_cast<std::size_t>(Code::exhausted)];
    return fail(Code::exhausted,
                "as many calls of " + to_text(entry.name) + " run as may: " +
                    std::to_string(entry.places->count()) + "; try again, or raise its 'concurrency'",
                Stage::queue);
  }
  const Time now = core_.clock().now();
  if (version.owner != nullptr) {
    if (auto entered = version.owner->enter(core_.index(), now, retry_after); !entered) {
      entry.places->give(core_.index());
      ++entry.counters.failed_counts[static_cast<std::size_t>(Code::exhausted)];
      return tl::unexpected(std::move(entered).error());
    }
  }
  Running& running = running_.begin(ids_.next());
  running.version = &version;
  running.call.queued = now;
  running.call.deadline =
      policy::call_deadline(now, version.function->limits, asked, platform_.options.call_timeout_max);
  table_.begin_call(version, now);
  return &running;
}

void Caller::fill(Running& running, net::HttpExchange& exchange, const wire::Route& route) {
  const auto& request = exchange.request();
  Call& call = running.call;
  call.method = request.method;
  call.path = route.rest;
  call.query = request.query;
  call.input = request.body;
  for (const auto& [name, value] : request.headers) {
    if (!is_hop_by_hop(name) && !is_our_key(name, value)) call.headers.push_back({name, value});
  }
  begin(running, exchange);
}

// What it is called with is there: from now on it is seen to run, and its client is looked after.
void Caller::begin(Running& running, net::HttpExchange& exchange) {
  Call& call = running.call;
  running.exchange = &exchange;
  running.queued = core_.clock().wall_now();
  call.function = running.version->function.get();
  call.log = &running.log;
  trace(running);
  if (!watch_planned_) {
    watch_planned_ = true;
    watch_alarm_.set(call.queued + unwatched_time, [this] { watch_clients(); });
  }
  publish_start(running);
}

// What the function asks of others belongs beneath its run.
void Caller::trace(Running& running) {
  if (platform_.traces == nullptr || !platform_.traces->is_sampled(running.call.id, running.trace)) return;
  running.context = trace::run_context(running.call.id, running.call.attempt, running.trace);
  std::erase_if(running.call.headers,
                [](const HeaderView& header) { return wire::same_word(header.name, trace_header); });
  running.call.headers.push_back({trace_header, running.context});
}

void Caller::tell(const Running& running, const Record& record, const std::string& node, bool durable) {
  if (platform_.traces == nullptr || !platform_.traces->is_sampled(record.id, running.trace)) return;
  platform_.traces->add(trace::ended_call(record, node, durable));
}

// Its log is seen as it is written, by who follows.
void Caller::publish_start(Running& running) {
  const Version& version = *running.version;
  const std::uint64_t log_bytes_max = version.function->limits.log_bytes;
  running.log =
      CallLog(version.owner == nullptr ? log_bytes_max
                                       : version.owner->log_bytes(running.call.queued, log_bytes_max));
  running.log.on_write = [this, &running](std::string_view piece) {
    if (!platform_.feed.is_followed()) return;
    platform_.feed.publish({.kind = Happening::Kind::log_piece,
                            .function = running.version->function->name,
                            .call = running.call.id,
                            .log_offset = running.log.text().size() - piece.size(),
                            .text = {}},
                           [piece] { return std::string(piece); });
  };
}

// The call's own deadline holds while others compile. What it returns is what the call has used by then.
net::Task<Usage> Caller::make_ready(Running& running) {
  struct Waiting {
    std::optional<Templates::Made> made;
    net::Event event;
  };
  const auto waiting = std::make_shared<Waiting>();
  const auto done = [waiting, &core = core_](const Templates::Made& made) {
    core.post([waiting, made] {
      waiting->made = made;
      waiting->event.set();
    });
  };
  running.waits_for_template = &waiting->event;
  platform_.templates.get(running.version->function, done);
  Alarm alarm(core_);
  alarm.set(running.call.deadline, [waiting] { waiting->event.set(); });
  co_await waiting->event.wait();
  running.waits_for_template = nullptr;

  // It came to this as soon as it had come in.
  const Duration making = core_.clock().now() - running.call.queued;
  const Usage used{.wait_time = making, .start_time = making, .cold = true};
  if (running.stopped) co_return used;
  if (!waiting->made) {
    running.stopped =
        Error{Code::deadline, "the deadline passed while the function was made ready; try again, it goes on",
              Stage::start};
  } else if (!*waiting->made) {
    running.stopped = waiting->made->error();
    if (running.stopped->stage == Stage::none) running.stopped->stage = Stage::start;
  } else {
    running.version->ready = **waiting->made;
  }
  co_return used;
}

// What the client waits for; the rest is for settle().
net::HttpResponse Caller::finish(Running& running, Reply& reply) {
  conclude(running, reply);
  const CallId id = running.call.id;
  net::HttpResponse response = reply.error ? failure_response(reply, id) : call_response(reply, id);
  running.reply = std::move(reply);
  running.reply.status = response.status;
  settle_soon(running);
  return response;
}

// It has ended: `reply` is what whoever asked gets, and its places are free.
void Caller::conclude(Running& running, Reply& reply) {
  if (running.stopped && (!reply.error || reply.error->code == Code::canceled)) {
    reply.error = std::move(running.stopped);
  }
  if (!reply.error) reply.error = check_reply(reply);
  if (reply.is_unmeasured()) reply.usage.wait_time = core_.clock().now() - running.call.queued;
  if (running.watched) running.exchange->on_client_gone(nullptr);
  running.exchange = nullptr;
  if (!running.trace.empty()) {
    running.own_trace = running.trace;  // It lay in the request.
    running.trace = running.own_trace;
  }
  running.output_bytes = reply.error ? 0 : reply.output.size();
  const Version& version = *running.version;
  version.entry.places->give(core_.index());
  if (version.owner != nullptr) {
    version.owner->leave(core_.index(), core_.clock().now(), running.log.text().size(), running.output_bytes);
  }
}

void Caller::settle_soon(Running& running) {
  ended_.push_back(&running);
  if (std::exchange(settle_planned_, true)) return;
  // Twice round the loop's queue: so behind the answers, which go there after this.
  core_.post([this] {
    core_.post([this] {
      settle_planned_ = false;
      settle();
    });
  });
}

void Caller::settle() {
  if (ended_.empty()) return;
  std::swap(ended_, settling_);
  for (Running* const running : settling_) settle(*running);
  settling_.clear();
}

void Caller::settle(Running& running) {
  Version& version = *running.version;
  Reply& reply = running.reply;
  const bool cold = reply.usage.cold;
  count(running, reply, running.output_bytes);
  measure(running, reply, running.output_bytes);
  Record record = make_record(running, reply, running.output_bytes);
  record.status = reply.status;
  record.error = std::move(reply.error);
  tell(running, record, reply.node, false);
  if (platform_.feed.is_followed()) {
    platform_.feed.publish(
        {.kind = Happening::Kind::call_ended, .function = record.function, .call = record.id, .text = {}},
        [&record] { return wire::to_json(record); });
  }
  platform_.records.add(core_.index(), std::move(record));
  running_.end(running);
  table_.end_call(version);
  if (cold) table_.unload_beyond(room_);
}

void Caller::count(const Running& running, const Reply& reply, std::size_t output_bytes) {
  CallCounters& counters = running.version->entry.counters;
  if (reply.error) {
    ++counters.failed_counts[static_cast<std::size_t>(reply.error->code)];
  } else {
    ++counters.ok_count;
    counters.output_bytes += output_bytes;
  }
  if (reply.usage.cold) ++counters.cold_count;
  counters.input_bytes += running.call.input.size();
  counters.log_dropped_bytes += running.log.dropped_bytes();
  counters.cpu_time += reply.usage.cpu_time;
  counters.run_time.add(reply.usage.run_time);
  counters.queue_time.add(reply.usage.wait_time);
}

void Caller::measure(const Running& running, const Reply& reply, std::size_t output_bytes) {
  const Version& version = *running.version;
  Spent& spent = meter_.of(version.owner == nullptr ? 0 : version.owner->id(), version.function->name);
  ++spent.call_count;
  if (reply.error) ++spent.error_count;
  spent.run_time += reply.usage.run_time;
  spent.cpu_time += reply.usage.cpu_time;
  spent.byte_seconds += static_cast<double>(reply.usage.memory_bytes) *
                        std::chrono::duration<double>(reply.usage.run_time).count();
  spent.input_bytes += running.call.input.size();
  spent.output_bytes += output_bytes;
  spent.log_bytes += running.log.text().size();
}

Record Caller::make_record(Running& running, const Reply& reply, std::size_t output_bytes) {
  const Function& function = *running.version->function;
  Record record;
  record.id = running.call.id;
  record.function = function.name;
  record.owner = running.version->owner == nullptr ? 0 : running.version->owner->id();
  record.version = function.version;
  record.state = end_state(reply.error);
  record.queued = running.queued;
  record.started = running.queued + reply.usage.wait_time;
  record.ended = record.started + reply.usage.run_time;
  record.trace = running.trace;
  record.attempt = running.call.attempt;
  record.exit_code = reply.exit_code;
  record.usage = reply.usage;
  record.input_bytes = running.call.input.size();
  record.output_bytes = output_bytes;
  record.log = running.log.take_text();
  record.log_dropped_bytes = running.log.dropped_bytes();
  return record;
}

void Caller::watch_clients() {
  const Time now = core_.clock().now();
  watch_planned_ = false;
  Time next = never;
  running_.for_each([this, now, &next](Running& running) {
    if (running.exchange == nullptr) return true;  // A durable call, or one that was answered.
    if (running.watched) return false;             // As are all older ones.
    const Time due = running.call.queued + unwatched_time;
    if (due > now) {
      next = due;
      return true;
    }
    running.watched = true;
    const CallId id = running.call.id;
    running.exchange->on_client_gone([this, id] {
      if (Running* const left = running_.find(id))
        stop(*left, "the client went away before the call had ended");
    });
    return true;
  });
  if (next == never) return;
  watch_planned_ = true;
  watch_alarm_.set(next, [this] { watch_clients(); });
}

void Caller::stop(Running& running, std::string_view why) {
  if (running.stopped) return;
  const Stage stage = running.instance != nullptr ? Stage::run : Stage::start;
  running.stopped = Error{Code::canceled, std::string(why), stage};
  if (running.instance != nullptr) {
    running.instance->cancel();
  } else if (running.waits_for_template != nullptr) {
    running.waits_for_template->set();
  }
}

bool Caller::cancel(CallId id) {
  settle();
  Running* const running = running_.find(id);
  if (running != nullptr) stop(*running, "the call was cancelled");
  return running != nullptr;
}

void Caller::cancel_all() {
  settle();
  running_.for_each([this](Running& running) {
    stop(running, "the server stopped before the call had ended");
    return true;
  });
}

std::vector<Record> Caller::running(const std::optional<FunctionName>& function,
                                    std::uint64_t log_bytes_max) {
  settle();
  std::vector<Record> records;
  const Time now = core_.clock().now();
  running_.for_each([&](const Running& running) {
    if (function && running.version->function->name != *function) return true;
    const std::uint64_t log_bytes = running.log.text().size();
    const bool with_log = log_bytes <= log_bytes_max;
    if (with_log) log_bytes_max -= log_bytes;
    records.push_back(record_of(running, now, with_log));
    return true;
  });
  return records;
}

std::optional<Record> Caller::find_running(CallId id) {
  settle();
  const Running* const running = running_.find(id);
  if (running == nullptr) return std::nullopt;
  return record_of(*running, core_.clock().now(), true);
}

}  // namespace canopy::api
