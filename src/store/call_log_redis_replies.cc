// What Redis has answered to a batch: what each operation in it is told, and what is to be sent again.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/call_log_keys.h"
#include "store/call_log_redis.h"
#include "store/call_log_redis_words.h"

namespace canopy::store {
namespace {

constexpr int change_tries_max = 20;

// Whether what was answered like that can be taken later: by a Redis that is full, starting, or a replica;
// not where it does not understand, or what lies there makes no sense.
bool may_pass(std::string_view said) { return !said.starts_with("ERR") && !said.starts_with("WRONGTYPE"); }

}  // namespace

// With mutex_. What Redis would not take: the error of the first.
std::optional<Error> RedisCallLog::take_replies(std::vector<Op>& batch, const Pipeline& pipeline,
                                                const std::vector<RedisReply>& replies) {
  std::optional<Error> failed;
  for (std::size_t at = 0; at < pipeline.carried.size(); ++at) {
    const RedisReply& reply = replies[at];
    const std::vector<std::size_t>& carried = pipeline.carried[at];
    if (reply.is_error() && !failed) failed = redis_error(reply.text);
    for (std::size_t i = 0; i < carried.size(); ++i) {
      const auto take = [&](auto& op) {
        take_reply(op, reply.is_error() || !op.is_grouped ? reply : reply.at(i));
      };
      std::visit(take, batch[carried[i]]);
    }
  }
  if (!replies.back().is_error()) take_counts(replies.back());
  return failed;
}

// What append and redrive say where a call is past a limit.
Error RedisCallLog::limit_error(std::int64_t which, const FunctionName& function,
                                std::optional<std::uint64_t> quota) const {
  if (which == -1) return queue_full("of all functions", options_.waiting_max);
  if (which == -2) return queue_full("of " + to_text(function), options_.waiting_per_function_max);
  if (which == -3) return quota_used_up(quota.value_or(0));
  return queue_full("of this user", options_.waiting_per_owner_max);
}

void RedisCallLog::take_reply(AppendOp& op, const RedisReply& reply) {
  op.answered = true;
  if (reply.is_error()) {
    op.result = tl::unexpected(not_kept(redis_error(reply.text)));
    return;
  }
  const DurableCall& call = op.head->call;
  if (reply.kind == RedisReply::Kind::list) {
    const auto key = decode_key(reply.at(2).text);
    const auto number = static_cast<std::uint64_t>(reply.at(0).as_number());
    const std::uint64_t token = reply.at(1).as_unsigned();
    if (!key || key->token != token) {
      op.result = fail(Code::internal, "the record of this Idempotency-Key is damaged in Redis");
    } else if (key->request != op.request) {
      op.result = tl::unexpected(key_conflict(call));
    } else {
      op.result = Accepted{.id = id_of(number, token), .existed = true};
    }
    return;
  }
  if (reply.number <= 0) {
    op.result = tl::unexpected(limit_error(reply.number, call.function, op.quota));
    return;
  }
  const auto number = static_cast<std::uint64_t>(reply.number);
  saw_number(number);
  op.result = Accepted{.id = id_of(number, op.head->token)};
  ++stats_.appended;
  made_ready_ = true;
}

void RedisCallLog::take_reply(EndOp& op, const RedisReply& reply) {
  if (reply.is_error() && (may_pass(reply.text) || !std::exchange(op.alone, true))) return;  // It is kept.
  op.answered = true;
  if (reply.is_error()) {
    op.result = fail(Code::internal, "Redis cannot record the end of call " + to_text(op.lease.id) +
                                         ", which runs again when its lease ends: " + log_safe(reply.text));
    return;
  }
  const auto held = held_.find(op.number);
  if (held != held_.end() && held->second.attempt == op.lease.attempt) held_.erase(held);
  if (reply.number == 0) {
    op.result = tl::unexpected(late_end(op.lease));
    ++stats_.refused_ends;
    return;
  }
  op.recorded = true;
  const bool lost = op.end == policy::AttemptEnd::lost;
  if (lost) ++stats_.lost;
  if (op.settled.again) {
    if (!lost) ++stats_.retried;
    made_ready_ = true;
  } else {
    count_end(*op.settled.ended);
  }
}

void RedisCallLog::take_reply(ChangeOp& op, const RedisReply& reply) {
  if (reply.is_error()) {
    op.result = tl::unexpected(not_kept(redis_error(reply.text)));
  } else if (reply.number == 1) {
    if (op.kind == ChangeOp::Kind::cancel) {
      count_end(*op.ended);
      const auto held = held_.find(op.number);
      if (held != held_.end()) held->second.lost = true;
    } else {
      made_ready_ = true;
    }
  } else if (reply.number == 0) {
    // It has moved since it was read; it is looked at again, though not for ever.
    if (++op.tries < change_tries_max) return;
    op.result = fail(Code::conflict, "the call " + to_text(op.id) + " changes at this very moment");
  } else if (reply.number == -1) {
    op.result = tl::unexpected(no_durable_call(op.id));
  } else {
    op.result = tl::unexpected(limit_error(reply.number + 1, op.result->function, op.owner_waiting_max));
  }
  if (!op.result || reply.number != 1) op.ended.reset();
  op.answered = true;
}

void RedisCallLog::take_reply(ScriptOp& op, const RedisReply& reply) {
  if (reply.is_error() && op.kept) return;
  op.answered = true;
  if (reply.is_error()) {
    op.result = tl::unexpected(redis_error(reply.text));
  } else {
    op.result = reply;
  }
}

void RedisCallLog::take_counts(const RedisReply& reply) {
  const auto count = [&reply](std::size_t i) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(reply.at(i).as_number(), 0));
  };
  saw_number(count(0));
  stats_.waiting_count = count(1);
  stats_.delayed_count = count(2);
  stats_.running_count = count(3);
  stats_.dead_count = count(4);
  stats_.callbacks_waiting = count(5);
  ready_count_ = count(6);
}

void RedisCallLog::count_end(const EndedRow& ended) {
  switch (ended.ending.state) {
    case State::completed:
      ++stats_.completed;
      break;
    case State::failed:
      ++stats_.failed;
      break;
    default:
      ++stats_.cancelled;
  }
  if (!ended.head.call.callback_url.empty()) made_callback_ = true;
}

}  // namespace canopy::store
