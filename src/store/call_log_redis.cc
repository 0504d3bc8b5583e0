#include "store/call_log_redis.h"

#include <algorithm>
#include <utility>

#include <sys/eventfd.h>

#include "base/log.h"
#include "store/call_log_keys.h"
#include "store/call_log_redis_words.h"

namespace canopy::store {
namespace {

constexpr std::uint64_t store_format = 2;
// Other servers may have given out so many numbers that this one has not heard of.
constexpr std::uint64_t numbers_unheard_max = std::uint64_t{1} << 20U;
constexpr Duration answer_patience = std::chrono::seconds(30);
constexpr Duration clock_difference_max = std::chrono::seconds(2);

Error stopped_error() { return {Code::unavailable, "the log of calls is closed: the server stops"}; }

std::size_t memory_bytes(const DurableCall& call) {
  std::size_t bytes = sizeof call + call.input.size() + call.path.size() + call.query.size();
  for (const Header& header : call.headers) bytes += header.name.size() + header.value.size();
  return bytes;
}

}  // namespace

RedisCallLog::RedisCallLog(RedisAddress address, CallLogOptions options, const Clock& clock)
    : options_(options),
      clock_(clock),
      writer_link_(address, [this](RedisConnection& connection) { return greet(connection, id_key_ == 0); }),
      news_link_(address) {
  CallId own;
  fill_random(&own, sizeof own);
  from_ = to_text(own).substr(0, 16);
  nonce_ = own.high;
  random_.seed(own.low);
  for (auto& side : read_sides_) {
    side = std::make_unique<ReadSide>(
        address, [this](RedisConnection& connection) { return greet(connection, false); });
  }
}

RedisCallLog::~RedisCallLog() { stop(); }

Result<std::unique_ptr<CallLog>> RedisCallLog::open(RedisAddress address, CallLogOptions options,
                                                    const Clock& clock) {
  auto log = std::unique_ptr<RedisCallLog>(new RedisCallLog(std::move(address), options, clock));
  CANOPY_TRY(log->generation_, log->writer_link_.connect());
  CANOPY_TRY(const RedisReply counts, log->writer_link_.run(log->command(Script::counts, {})));
  log->take_counts(counts);
  CANOPY_TRY_VOID(log->subscribe());
  log->stop_news_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!log->stop_news_) return fail(Code::unavailable, "no file can be opened: too many are open");
  log->writer_ = std::jthread([self = log.get()]() noexcept { self->run_writer(); });
  log->news_ = std::jthread([self = log.get()]() noexcept { self->run_news(); });
  return std::unique_ptr<CallLog>(std::move(log));
}

// Whether it is the store that it was, or at first, one that can be used.
Result<void> RedisCallLog::greet(RedisConnection& connection, bool first) {
  const RedisAddress& address = news_link_.address();
  const Duration patience = news_link_.answering();
  CANOPY_TRY_VOID(check_redis(connection, address, patience));
  std::uint64_t fresh_key = 0;
  while (fresh_key == 0) fill_random(&fresh_key, sizeof fresh_key);
  const Words words{first ? std::to_string(fresh_key) : "", std::to_string(store_format)};
  CANOPY_TRY(const RedisReply state, connection.run(script_command(Script::init, "", words), patience));
  const std::string where = to_text(address);
  if (state.at(0).kind == RedisReply::Kind::nothing) {
    return fail(Code::unavailable, where +
                                       " holds no calls any more; restore what was there, or start the "
                                       "server anew to begin without them");
  }
  if (state.at(0).as_unsigned() != store_format) {
    return fail(Code::refused, where + " holds calls of another format, " + log_safe(state.at(0).text, 20) +
                                   "; this Canopy knows " + std::to_string(store_format));
  }
  const std::uint64_t key = state.at(1).as_unsigned();
  const std::uint64_t last = state.at(2).as_unsigned();
  if (!first && key != id_key_) {
    return fail(Code::unavailable, where +
                                       " holds other calls than before; restore what was there, or start "
                                       "the server anew to use what is there now");
  }
  if (first) {
    if (key == 0) return fail(Code::refused, where + ": what 'canopy:state' holds makes no sense");
    id_key_ = key;
    channel_ = std::string(redis_prefix) + "news:" + std::to_string(key);
    const auto theirs = WallTime(std::chrono::seconds(state.at(3).as_unsigned()));
    const Duration apart =
        theirs > clock_.wall_now() ? theirs - clock_.wall_now() : clock_.wall_now() - theirs;
    if (apart > clock_difference_max && &clock_ == &system_clock()) {
      log::warn("the clock of {} is {} s from this machine's; leases need clocks that agree", where,
                std::chrono::duration_cast<std::chrono::seconds>(apart).count());
    }
  }
  const std::uint64_t seen = last_number_.load(std::memory_order_relaxed);
  if (last < seen) {
    log::error(
        "{} has lost its end: {} calls that were acknowledged are missing; its append-only file was cut",
        where, seen - last);
    last_number_.store(last, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    ++stats_.lost_batches;
  }
  saw_number(last);
  return {};
}

void RedisCallLog::listen(CallLogListener& listener) {
  bool ready = false;
  bool callbacks = false;
  {
    const std::lock_guard lock(mutex_);
    listener_ = &listener;
    ready = ready_count_ > 0;
    callbacks = stats_.callbacks_waiting > 0;
  }
  if (ready) listener.on_ready();
  if (callbacks) listener.on_callback();
}

CallId RedisCallLog::id_of(std::uint64_t number, std::uint64_t token) const {
  return hide_number(number, token, id_key_);
}

std::uint64_t RedisCallLog::last_number() const {
  return last_number_.load(std::memory_order_acquire) + numbers_unheard_max;
}

void RedisCallLog::saw_number(std::uint64_t number) {
  std::uint64_t last = last_number_.load(std::memory_order_relaxed);
  while (number > last && !last_number_.compare_exchange_weak(last, number, std::memory_order_release)) {
  }
}

std::optional<std::uint64_t> RedisCallLog::number_of(CallId id) const {
  const std::uint64_t number = bare_number(id, id_key_);
  if (number == 0 || number > last_number()) return std::nullopt;
  return number;
}

bool RedisCallLog::owns(CallId id) const { return number_of(id).has_value(); }

std::optional<CallId> RedisCallLog::restore(ShortId id) const {
  const std::uint64_t number = bare_number(id, id_key_, last_number());
  if (number == 0) return std::nullopt;
  return id_of(number, id.low);
}

RedisCommand RedisCallLog::command(Script script, const Words& words) const {
  return script_command(script, channel_, words);
}

// In microseconds since the epoch, which is what the servers share.
std::string RedisCallLog::wall(Time until) const {
  if (until == never) return "+inf";
  const WallTime at = clock_.wall_now() + (until - clock_.now());
  return std::to_string(std::chrono::ceil<std::chrono::microseconds>(at.time_since_epoch()).count());
}

Result<void> RedisCallLog::push(Op op) {
  const std::size_t bytes = bytes_of(op);
  {
    const std::lock_guard lock(asked_mutex_);
    if (stopping_) return tl::unexpected(stopped_error());
    unwritten_bytes_ += bytes;
    ops_.push_back(std::move(op));
    if (ops_.size() > 1) return {};  // The writer knows already.
  }
  asked_.notify_one();
  return {};
}

void RedisCallLog::keep(Script script, Words words, Answer<RedisReply> done) {
  ScriptOp op{.script = script, .words = std::move(words), .kept = true, .done = std::move(done)};
  static_cast<void>(push(std::move(op)));  // Where the log is closed, the lease runs out.
}

Result<RedisReply> RedisCallLog::ask(Script script, Words words) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<RedisReply>> reply;
  };
  const auto waiting = std::make_shared<Waiting>();
  ScriptOp op{.script = script, .words = std::move(words), .done = [waiting](Result<RedisReply> reply) {
                const std::lock_guard lock(waiting->mutex);
                waiting->reply = std::move(reply);
                waiting->changed.notify_all();
              }};
  CANOPY_TRY_VOID(push(std::move(op)));
  std::unique_lock lock(waiting->mutex);
  if (!waiting->changed.wait_for(lock, answer_patience, [&waiting] { return waiting->reply.has_value(); })) {
    return fail(Code::unavailable, "the log of calls is busy; try again later");
  }
  return *std::move(waiting->reply);
}

void RedisCallLog::append(DurableCall call, Done<Accepted> done) {
  auto head = std::make_shared<CallHead>();
  head->call = std::move(call);
  DurableCall& kept = head->call;
  kept.queued = clock_.wall_now();
  head->input = body_of(kept.input);
  const std::size_t bytes = memory_bytes(kept) + operation_bytes;
  if (kept.input.size() > value_bytes_max) return done(tl::unexpected(too_large_for_redis("input")));
  {
    const std::lock_guard lock(asked_mutex_);
    if (unwritten_bytes_ + bytes > options_.unwritten_bytes_max) {
      return done(fail(Code::exhausted, "too much is on its way to Redis; try again shortly", Stage::queue));
    }
  }
  {
    const std::lock_guard lock(mutex_);
    head->token = tokens_.next().low;
  }
  AppendOp op{.head = head, .quota = kept.owner_waiting_max, .done = done};
  std::string digest;
  if (!kept.idempotency_key.empty()) {
    digest = key_digest(kept);
    op.request = request_digest(kept);
  }
  const std::string quota = kept.owner_waiting_max ? std::to_string(*kept.owner_waiting_max) : "";
  op.words = {std::to_string(head->token),
              kept.owner,
              to_text(kept.function),
              quota,
              encode_head(head->token, *head),
              std::move(kept.input),
              digest,
              digest.empty() ? "" : encode_key({.token = head->token, .request = op.request}),
              std::to_string(kept.queued.time_since_epoch().count())};
  if (auto pushed = push(std::move(op)); !pushed) done(tl::unexpected(std::move(pushed).error()));
}

void RedisCallLog::cancel(CallId id, Done<Cancelled> done) {
  if (!owns(id)) return done(tl::unexpected(no_durable_call(id)));
  ChangeOp op{.kind = ChangeOp::Kind::cancel, .id = id, .owner_waiting_max = {}, .cancelled = done};
  if (auto pushed = push(std::move(op)); !pushed) {
    done(tl::unexpected(std::move(pushed).error()));
  }
}

void RedisCallLog::redrive(CallId id, std::optional<std::uint64_t> owner_waiting_max,
                           Done<FunctionName> done) {
  if (!owns(id)) return done(tl::unexpected(no_durable_call(id)));
  ChangeOp op{
      .kind = ChangeOp::Kind::redrive, .id = id, .owner_waiting_max = owner_waiting_max, .redriven = done};
  if (auto pushed = push(std::move(op)); !pushed) {
    done(tl::unexpected(std::move(pushed).error()));
  }
}

void RedisCallLog::forget(CallId id, Done<void> done) {
  const auto number = number_of(id);
  if (!number) return done(tl::unexpected(no_durable_call(id)));
  const auto told = [this, id, done](const Result<RedisReply>& reply) {
    if (!reply) return done(tl::unexpected(reply.error()));
    if (reply->number < 0) return done(tl::unexpected(no_durable_call(id)));
    if (reply->number == 0) return done(fail(Code::conflict, "the call " + to_text(id) + " has not ended"));
    {
      const std::lock_guard lock(mutex_);
      ++stats_.purged;
    }
    done({});
  };
  ScriptOp op{
      .script = Script::forget, .words = {std::to_string(*number), std::to_string(id.low)}, .done = told};
  if (auto pushed = push(std::move(op)); !pushed) {
    done(tl::unexpected(std::move(pushed).error()));
  }
}

Result<std::size_t> RedisCallLog::purge(std::size_t count_max) {
  const auto minute = std::chrono::floor<std::chrono::minutes>(clock_.wall_now().time_since_epoch()).count();
  CANOPY_TRY(const RedisReply reply, ask(Script::purge, {std::to_string(minute), std::to_string(count_max)}));
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(reply.number, 0));
  const std::lock_guard lock(mutex_);
  stats_.purged += count;
  return count;
}

double RedisCallLog::random() { return std::uniform_real_distribution<double>(0, 1)(random_); }

void RedisCallLog::count_damage(const Error& error) {
  if (error.code != Code::internal) return;
  log::error("{}", error.message);
  const std::lock_guard lock(mutex_);
  ++stats_.damaged;
}

CallLogStats RedisCallLog::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void RedisCallLog::stop() {
  {
    const std::lock_guard lock(asked_mutex_);
    if (!stopping_ && writer_.joinable()) {
      ops_.emplace_back(ScriptOp{.script = Script::leave, .words = {from_}, .done = [](const auto&) {}});
    }
    stopping_ = true;
  }
  asked_.notify_all();
  if (stop_news_) ::eventfd_write(stop_news_.get(), 1);
  if (news_.joinable()) news_.join();
  if (writer_.joinable()) writer_.join();
}

Result<std::unique_ptr<CallLog>> open_redis_call_log(const RedisAddress& address, CallLogOptions options,
                                                     const Clock& clock) {
  return RedisCallLog::open(address, options, clock);
}

}  // namespace canopy::store
