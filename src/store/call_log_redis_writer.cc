// The writer: takes what was asked for while it was busy, sends it as one pipeline, and answers when Redis
// has answered it.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/call_log_redis.h"
#include "store/call_log_redis_words.h"

namespace canopy::store {
namespace {

constexpr Duration first_pause = std::chrono::milliseconds(20);
constexpr Duration longest_pause = std::chrono::seconds(1);
constexpr Duration commit_max_window = std::chrono::minutes(1);
// After a break, so that who runs calls can say so before they are taken for lost.
constexpr Duration reconnect_grace = std::chrono::seconds(15);
// Of one script, so that it does not keep the others waiting.
constexpr std::size_t group_count_max = 64;

}  // namespace

std::size_t RedisCallLog::bytes_of(const Op& op) {
  std::size_t bytes = operation_bytes;
  std::visit(
      [&bytes](const auto& known) {
        for (const std::string& word : known.words) bytes += word.size();
      },
      op);
  return bytes;
}

void RedisCallLog::run_writer() {
  std::vector<Op> batch;
  Duration pause{};
  for (;;) {
    std::size_t bytes = 0;
    if (!take_batch(batch, bytes, pause)) break;
    if (batch.empty()) return;
    pause = write(batch) ? Duration{} : std::clamp(pause * 2, first_pause, longest_pause);
    const std::lock_guard lock(asked_mutex_);
    unwritten_bytes_ -= std::min(unwritten_bytes_, bytes);
  }
  // The log is closed while Redis does not take what is left: the end of its lease gives a call back.
  const Error closed{Code::unavailable, "the log of calls was closed before this was written"};
  {
    const std::lock_guard lock(asked_mutex_);
    std::move(ops_.begin(), ops_.end(), std::back_inserter(batch));
    ops_.clear();
  }
  answer_failure(batch, closed);
  for (Op& op : batch) {
    if (auto* const end = std::get_if<EndOp>(&op)) end->done(tl::unexpected(closed));
    if (auto* const script = std::get_if<ScriptOp>(&op)) script->done(tl::unexpected(closed));
  }
}

// What there is to do, behind what is left of the last batch; nothing at the end. False where the log is
// closed while Redis is away.
bool RedisCallLog::take_batch(std::vector<Op>& batch, std::size_t& bytes, Duration pause) {
  std::unique_lock lock(asked_mutex_);
  if (pause > Duration::zero()) {
    asked_.wait_for(lock, pause, [this] { return stopping_; });
    if (stopping_) return false;
  }
  asked_.wait(lock, [&] { return !ops_.empty() || !batch.empty() || stopping_; });
  while (!ops_.empty() && batch.size() < options_.batch_count_max) {
    const std::size_t size = bytes_of(ops_.front());
    if (bytes > 0 && bytes + size > options_.batch_bytes_max) break;
    bytes += size;
    batch.push_back(std::move(ops_.front()));
    ops_.pop_front();
  }
  return true;
}

// Leaves in `batch` what is to be sent again; false where that is for Redis to be there again.
bool RedisCallLog::write(std::vector<Op>& batch) {
  const auto fail_all = [&](const Error& error) {
    {
      const std::lock_guard lock(mutex_);
      if (!stats_.failing) log::error("cannot write the log of calls: {}", error.message);
      stats_.failing = true;
      ++stats_.failed_batches;
    }
    answer_failure(batch, error);
    return false;
  };
  const auto connected = writer_link_.connect();
  if (!connected) return fail_all(connected.error());
  if (std::exchange(generation_, *connected) != *connected) renew_all(batch);
  if (const auto before = read_before(batch); !before) return fail_all(before.error());

  const Pipeline pipeline = make_pipeline(batch);
  const Time began = clock_.now();
  auto replies = writer_link_.run(pipeline.commands);
  if (!replies) return fail_all(replies.error());
  const Duration took = clock_.now() - began;

  std::optional<Error> failed;
  {
    const std::lock_guard lock(mutex_);
    failed = take_replies(batch, pipeline, *replies);
    if (!failed && stats_.failing) log::info("the log of calls can be written again");
    if (failed && !stats_.failing) log::error("cannot write the log of calls: {}", failed->message);
    stats_.failing = failed.has_value();
    if (failed) ++stats_.failed_batches;
    ++stats_.batches;
    stats_.batch_operations += batch.size();
    stats_.commit_time += took;
    const WallTime now = clock_.wall_now();
    if (now - commit_max_since_ > commit_max_window) {
      commit_max_since_ = now;
      stats_.commit_time_max = {};
    }
    stats_.commit_time_max = std::max(stats_.commit_time_max, took);
  }
  tell(batch);
  return !failed;
}

// The commands of a batch, and which of its operations each of them carries.
RedisCallLog::Pipeline RedisCallLog::make_pipeline(const std::vector<Op>& batch) const {
  Pipeline pipeline;
  const auto limits = limit_words();
  const auto gather = [&]<class Kind>(Script script, const Words& front, std::type_identity<Kind>) {
    Words words;
    std::vector<std::size_t> carried;
    const auto close = [&] {
      if (carried.empty()) return;
      pipeline.commands.push_back(script_command(script, channel_, std::exchange(words, {})));
      pipeline.carried.push_back(std::exchange(carried, {}));
    };
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto* const op = std::get_if<Kind>(&batch[i]);
      if (op == nullptr) continue;
      bool alone = false;
      if constexpr (std::is_same_v<Kind, EndOp>) alone = op->alone;
      if (alone) close();
      if (carried.empty()) words = front;
      words.insert(words.end(), op->words.begin(), op->words.end());
      carried.push_back(i);
      if (alone || carried.size() == group_count_max) close();
    }
    close();
  };
  gather(Script::end, {from_}, std::type_identity<EndOp>());
  gather(Script::append, limits, std::type_identity<AppendOp>());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (const auto* const change = std::get_if<ChangeOp>(&batch[i]);
        change != nullptr && !change->words.empty()) {
      const bool cancels = change->kind == ChangeOp::Kind::cancel;
      Words words = cancels ? Words{from_} : limits;
      words.insert(words.end(), change->words.begin(), change->words.end());
      pipeline.commands.push_back(
          script_command(cancels ? Script::cancel : Script::redrive, channel_, std::move(words)));
      pipeline.carried.push_back({i});
    }
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (const auto* const script = std::get_if<ScriptOp>(&batch[i])) {
      pipeline.commands.push_back(script_command(script->script, channel_, script->words));
      pipeline.carried.push_back({i});
    }
  }
  pipeline.commands.push_back(script_command(Script::counts, channel_, {}));
  return pipeline;
}

// Of append and redrive, in front.
RedisCallLog::Words RedisCallLog::limit_words() const {
  return {std::to_string(options_.waiting_max), std::to_string(options_.waiting_per_function_max),
          std::to_string(options_.waiting_per_owner_max), from_};
}

// Answers those that wait for an answer, and leaves in `batch` those that are kept.
void RedisCallLog::answer_failure(std::vector<Op>& batch, const Error& error) {
  const Error said = not_kept(error);
  std::vector<Op> kept;
  for (Op& op : batch) {
    auto* const script = std::get_if<ScriptOp>(&op);
    if (std::holds_alternative<EndOp>(op) || (script != nullptr && script->kept)) {
      kept.push_back(std::move(op));
    } else if (auto* const append = std::get_if<AppendOp>(&op)) {
      append->done(tl::unexpected(said));
    } else if (auto* const change = std::get_if<ChangeOp>(&op)) {
      change->result = tl::unexpected(said);
      answer(*change);
    } else {
      script->done(tl::unexpected(error));
    }
  }
  batch = std::move(kept);
}

void RedisCallLog::answer(ChangeOp& op) {
  if (op.kind == ChangeOp::Kind::cancel) return op.cancelled(std::move(op.result));
  if (!op.result) return op.redriven(tl::unexpected(std::move(op.result).error()));
  op.redriven(std::move(op.result->function));
}

void RedisCallLog::tell(std::vector<Op>& batch) {
  CallLogListener* const listener = listener_;
  if (std::exchange(made_ready_, false) && listener != nullptr) listener->on_ready();
  if (std::exchange(made_callback_, false) && listener != nullptr) listener->on_callback();
  std::vector<Op> left;
  for (Op& op : batch) {
    if (!std::visit([](const auto& known) { return known.answered; }, op)) {
      left.push_back(std::move(op));
    } else if (auto* const append = std::get_if<AppendOp>(&op)) {
      append->done(std::move(append->result));
    } else if (auto* const end = std::get_if<EndOp>(&op)) {
      end->done(std::move(end->result));
      if (end->recorded && end->settled.ended) tell_end(end->lease.id, *end->settled.ended);
    } else if (auto* const change = std::get_if<ChangeOp>(&op)) {
      answer(*change);
      if (change->ended) tell_end(change->id, *change->ended);
    } else if (auto* const script = std::get_if<ScriptOp>(&op)) {
      script->done(std::move(script->result));
    }
  }
  batch = std::move(left);
}

void RedisCallLog::tell_end(CallId id, const EndedRow& ended) {
  CallLogListener* const listener = listener_;
  if (listener == nullptr) return;
  const auto make = [id, &ended] {
    DurableRecord made = ended_record(ended);
    made.record.id = id;
    return made;
  };
  listener->on_ended(id, ended.head.call.function, ended.ending.state, make);
}

// After a break: what this server runs, it still runs.
void RedisCallLog::renew_all(std::vector<Op>& batch) {
  const std::lock_guard lock(mutex_);
  lost_after_ = clock_.now() + reconnect_grace;
  made_ready_ = made_callback_ = true;
  for (const auto& [number, held] : held_) {
    if (held.lost || held.settling) continue;
    batch.emplace_back(
        ScriptOp{.script = Script::renew,
                 .words = {from_, std::to_string(number), std::to_string(held.attempt), wall(held.until)},
                 .done = [](const Result<RedisReply>&) {}});
  }
}

}  // namespace canopy::store
