// Which calls run here, for how long, and what becomes of those that are lost; and the callbacks.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/call_log_redis.h"
#include "store/call_log_redis_words.h"

namespace canopy::store {
namespace {

constexpr int lease_rounds_max = 4;
constexpr std::size_t lease_bytes_max = 16 * MiB;
constexpr std::size_t known_functions_max = 256;
constexpr std::size_t woken_max = 1000;
constexpr std::size_t lost_max = 100;
constexpr Duration sweep_again = std::chrono::seconds(1);  // Where Redis is away.
constexpr Duration held_after_end = std::chrono::minutes(1);
constexpr std::size_t callbacks_known_max = 10'000;

}  // namespace

// Redis does not know how many of each function may run, so that goes with each request, for the functions
// that were in line of late; it names those that it lacks.
RedisCallLog::Words RedisCallLog::lease_words(const LeaseRequest& request, std::size_t count, WallTime now) {
  Words words{from_,
              std::to_string(count),
              wall(request.until),
              std::to_string(now.time_since_epoch().count()),
              std::to_string(options_.leases_max),
              std::to_string(lease_bytes_max),
              request.concurrency ? "" : "any"};
  if (!request.concurrency) return words;
  std::vector<FunctionName> functions;
  {
    const std::lock_guard lock(mutex_);
    functions = leased_functions_;
  }
  for (const FunctionName& function : functions) {
    words.push_back(to_text(function));
    words.push_back(std::to_string(request.concurrency(function)));
  }
  return words;
}

void RedisCallLog::learn_functions(const RedisReply& names) {
  const std::lock_guard lock(mutex_);
  if (leased_functions_.size() + names.list.size() > known_functions_max) {
    leased_functions_.erase(leased_functions_.begin(),
                            leased_functions_.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                            leased_functions_.size(), names.list.size())));
  }
  for (const RedisReply& name : names.list) {
    if (auto function = parse_function_name(name.text)) leased_functions_.push_back(*std::move(function));
  }
}

std::vector<LeasedCall> RedisCallLog::lease(const LeaseRequest& request) {
  std::vector<LeasedCall> leased;
  for (int round = 0; round < lease_rounds_max && leased.size() < request.count_max; ++round) {
    const WallTime now = clock_.wall_now();
    const auto reply = ask(Script::lease, lease_words(request, request.count_max - leased.size(), now));
    if (!reply) break;  // The writer has said why.
    for (const RedisReply& taken : reply->at(0).list) {
      if (auto call = take_leased(taken, request, now)) leased.push_back(*std::move(call));
    }
    if (reply->at(1).list.empty()) break;
    learn_functions(reply->at(1));
  }
  return leased;
}

// number, attempt, token, head, input, progress
std::optional<LeasedCall> RedisCallLog::take_leased(const RedisReply& taken, const LeaseRequest& request,
                                                    WallTime now) {
  const std::uint64_t number = taken.at(0).as_unsigned();
  const auto attempt = static_cast<std::uint32_t>(taken.at(1).as_number());
  const std::uint64_t token = taken.at(2).as_unsigned();
  Held held{.attempt = attempt, .until = request.until, .started = now};
  const auto decode = [&]() -> Result<std::shared_ptr<const CallHead>> {
    CANOPY_TRY(CallHead head, decode_head(token, taken.at(3).text));
    CANOPY_TRY_VOID(check_body(number, head.input, taken.at(4).text));
    if (!taken.at(5).text.empty()) {
      CANOPY_TRY(held.progress, decode_progress(token, taken.at(5).text));
    }
    head.call.id = id_of(number, token);
    head.call.input = taken.at(4).text;
    return std::make_shared<const CallHead>(std::move(head));
  };
  auto head = decode();
  if (!head) {
    // What is damaged stays where it is, and does not run.
    count_damage(head.error());
    keep(Script::bury, {from_, std::to_string(number), std::to_string(attempt)}, [](const auto&) {});
    return std::nullopt;
  }
  held.head = *std::move(head);
  const DurableCall& call = held.head->call;
  if (call.deadline != WallTime() && call.deadline <= now) {
    Outcome late;
    late.ended = now;
    late.error = Error{Code::deadline, "the call's time was over before its turn came", Stage::queue};
    static_cast<void>(push_end(
        number, held, {.attempt = attempt, .is_final = true}, std::move(late), [](const Result<void>&) {},
        ""));
    return std::nullopt;
  }
  LeasedCall made{.call = std::shared_ptr<const DurableCall>(held.head, &call), .attempt = attempt};
  const std::lock_guard lock(mutex_);
  held_[number] = std::move(held);
  return made;
}

namespace {

// The attempt that the lease is of, where it still runs here; else the end of `held`.
template <class HeldCalls>
auto find_held(HeldCalls& held, std::uint64_t number, const Lease& lease) {
  const auto at = held.find(number);
  if (at == held.end() || at->second.attempt != lease.attempt || at->second.settling || at->second.lost ||
      at->second.head->call.id != lease.id) {
    return held.end();
  }
  return at;
}

}  // namespace

bool RedisCallLog::renew(const Lease& lease, Time until) {
  const auto number = number_of(lease.id);
  if (!number) return false;
  {
    const std::lock_guard lock(mutex_);
    const auto held = find_held(held_, *number, lease);
    if (held == held_.end()) return false;
    held->second.until = until;
  }
  const auto done = [this, number = *number, attempt = lease.attempt](const Result<RedisReply>& reply) {
    if (!reply || reply->number != 0) return;
    const std::lock_guard lock(mutex_);
    const auto held = held_.find(number);
    if (held != held_.end() && held->second.attempt == attempt) held->second.lost = true;
  };
  const Words words{from_, std::to_string(*number), std::to_string(lease.attempt), wall(until)};
  // Not kept: after a break all are renewed.
  static_cast<void>(push(ScriptOp{.script = Script::renew, .words = words, .done = done}));
  return true;
}

bool RedisCallLog::release(const Lease& lease, WallTime due) {
  const auto number = number_of(lease.id);
  if (!number) return false;
  {
    const std::lock_guard lock(mutex_);
    const auto held = find_held(held_, *number, lease);
    if (held == held_.end()) return false;
    held_.erase(held);
  }
  keep(Script::release,
       {from_, std::to_string(*number), std::to_string(lease.id.low), std::to_string(lease.attempt),
        due > clock_.wall_now() ? micros(due) : ""},
       [](const auto&) {});
  return true;
}

Time RedisCallLog::sweep() {
  const Time now = clock_.now();
  const WallTime wall_time = clock_.wall_now();
  const std::string guard = micros(wall_time);
  bool may_be_lost = false;
  {
    const std::lock_guard lock(mutex_);
    may_be_lost = now >= lost_after_;
  }
  const auto reply = ask(
      Script::sweep, {from_, guard, std::to_string(woken_max), std::to_string(may_be_lost ? lost_max : 0)});
  forget_held(now);
  if (!reply) return now + sweep_again;
  {
    const std::lock_guard lock(mutex_);
    stats_.oldest_queued = read_nanos(reply->at(3).as_number());
  }
  settle_lost(reply->at(4), wall_time, guard);
  CallLogListener* const listener = listener_;
  if (reply->at(0).number > 0 && listener != nullptr) listener->on_ready();
  Time next = never;
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    const WallTime at = read_micros(reply->at(i).text);
    if (at != WallTime::max()) next = std::min(next, now + (at - wall_time));
  }
  return may_be_lost ? next : std::min(next, now + sweep_again);
}

// Whose server died, or does not say that it still runs them.
void RedisCallLog::settle_lost(const RedisReply& lost, WallTime now, const std::string& guard) {
  for (const RedisReply& one : lost.list) {
    const std::uint64_t number = one.at(0).as_unsigned();
    const std::uint64_t token = one.at(1).as_unsigned();
    Held held{.attempt = static_cast<std::uint32_t>(one.at(2).as_number()),
              .started = read_nanos(one.at(3).as_number())};
    auto head = decode_head(token, one.at(4).text);
    auto progress = one.at(5).text.empty() ? Progress() : decode_progress(token, one.at(5).text);
    if (!head || !progress) {
      count_damage(head ? progress.error() : head.error());
      keep(Script::bury, {from_, std::to_string(number), std::to_string(held.attempt)}, [](const auto&) {});
      continue;
    }
    held.head = std::make_shared<const CallHead>(*std::move(head));
    held.progress = *std::move(progress);
    {
      const std::lock_guard lock(mutex_);
      const auto own = held_.find(number);
      if (own != held_.end() && own->second.attempt == held.attempt) {
        if (own->second.settling) continue;  // Its end is on its way.
        own->second.lost = true;
      }
    }
    Outcome outcome;
    outcome.started = held.started;
    outcome.ended = now;
    outcome.error = Error{Code::died, "the worker that ran it was lost: its lease ended", Stage::run};
    const AttemptEnded how{.attempt = held.attempt, .end = policy::AttemptEnd::lost};
    static_cast<void>(push_end(number, held, how, std::move(outcome), [](const Result<void>&) {}, guard));
  }
}

// Those that were let go, and of which nobody says anything any more.
void RedisCallLog::forget_held(Time now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(held_, [now](const auto& entry) {
    const Held& held = entry.second;
    return !held.settling && held.until < now - held_after_end;
  });
}

std::vector<DueCallback> RedisCallLog::lease_callbacks(std::size_t count_max, WallTime until) {
  std::vector<DueCallback> due;
  const auto reply =
      ask(Script::callbacks, {micros(clock_.wall_now()), micros(until), std::to_string(count_max),
                              std::to_string(options_.callbacks_sent_max)});
  if (!reply) return due;
  for (const RedisReply& taken : reply->list) {
    const std::uint64_t number = taken.at(0).as_unsigned();
    const std::uint64_t token = taken.at(1).as_unsigned();
    const auto ended = decode_ended(token, taken.at(2).text);
    const auto callback = decode_callback(token, taken.at(4).text);
    if (!ended || !callback || !check_body(number, ended->ending.output, taken.at(3).text)) {
      count_damage({Code::internal, "the callback of call " + to_text(id_of(number, token)) +
                                        " cannot be sent: its row is damaged in Redis"});
      continue;
    }
    DueCallback found{.id = id_of(number, token),
                      .url = ended->head.call.callback_url,
                      .attempt = callback->state.attempts + 1,
                      .first_due = callback->first_due,
                      .record = ended_record(*ended),
                      .result = {.state = ended->ending.state,
                                 .status = ended->ending.outcome.status,
                                 .headers = ended->ending.outcome.headers,
                                 .output = taken.at(3).text,
                                 .usage = ended->ending.outcome.usage,
                                 .error = ended->ending.outcome.error}};
    found.record.record.id = found.id;
    found.record.callback = callback->state;
    const std::lock_guard lock(mutex_);
    if (callbacks_.size() >= callbacks_known_max) callbacks_.clear();  // They are sent again, later.
    callbacks_[token] = *callback;
    due.push_back(std::move(found));
  }
  return due;
}

void RedisCallLog::complete_callback(CallId id, CallbackOutcome outcome) {
  const auto number = number_of(id);
  if (!number) return;
  CallbackRow row;
  {
    const std::lock_guard lock(mutex_);
    const auto known = callbacks_.find(id.low);
    if (known == callbacks_.end()) return;
    row = std::move(known->second);
    callbacks_.erase(known);
  }
  row.state.kind = outcome.kind;
  ++row.state.attempts;
  row.state.due = outcome.next_due;
  row.state.status = outcome.status;
  row.state.error = std::move(outcome.error);
  const bool waits = outcome.kind == CallbackState::Kind::waiting;
  const auto done = [this, waits](const Result<RedisReply>&) {
    CallLogListener* const listener = listener_;
    if (waits && listener != nullptr) listener->on_callback();
  };
  keep(Script::callback,
       {std::to_string(*number), std::to_string(id.low), encode_callback(id.low, row.state, row.first_due),
        waits ? micros(outcome.next_due) : ""},
       done);
}

}  // namespace canopy::store
