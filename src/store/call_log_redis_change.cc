// What has to be known of a call before it is cancelled or tried again: it is read, what it is to become is
// written down, and Redis takes that where the call has not moved meanwhile.

#include <utility>

#include "store/call_log_redis.h"
#include "store/call_log_redis_words.h"
#include "store/call_log_shelf.h"

namespace canopy::store {

Result<void> RedisCallLog::read_before(std::vector<Op>& batch) {
  std::vector<RedisCommand> commands;
  std::vector<ChangeOp*> asked;
  for (Op& op : batch) {
    auto* const change = std::get_if<ChangeOp>(&op);
    if (change == nullptr) continue;
    change->number = number_of(change->id).value_or(0);
    commands.push_back(row_command(change->number, ""));
    asked.push_back(change);
  }
  if (asked.empty()) return {};
  CANOPY_TRY(const auto replies, writer_link_.run(commands));
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (replies[i].is_error()) return tl::unexpected(redis_error(replies[i].text));
    plan_change(*asked[i], row_of(asked[i]->number, replies[i], 0));
  }
  return {};
}

void RedisCallLog::plan_change(ChangeOp& op, const Row& row) {
  op.words.clear();
  op.ended.reset();
  op.result = Cancelled{};
  if (row.state == 0 || row.token != op.id.low) {
    op.result = tl::unexpected(no_durable_call(op.id));
  } else if (op.kind == ChangeOp::Kind::cancel) {
    plan_cancel(op, row);
  } else {
    plan_redrive(op, row);
  }
  op.answered = op.words.empty();
}

void RedisCallLog::plan_cancel(ChangeOp& op, const Row& row) {
  if (row.state == 'e') {
    const auto ended = decode_ended(row.token, row.ended);
    op.result = ended ? fail(Code::conflict, "the call " + to_text(op.id) + " has ended already, as " +
                                                 std::string(name(ended->ending.state)))
                      : Result<Cancelled>(tl::unexpected(ended.error()));
    return;
  }
  auto head = decode_head(row.token, row.head);
  auto progress = row.progress.empty() ? Progress() : decode_progress(row.token, row.progress);
  if (!head || !progress) {
    op.result = tl::unexpected(head ? progress.error() : head.error());
    return;
  }
  const bool running = row.state == 'r';
  op.result = Cancelled{.function = head->call.function, .was_running = running};
  if (running) progress->attempt = row.attempt;
  op.ended = cancelled_row(*std::move(head), *std::move(progress), running, row.since, clock_.wall_now());
  op.ended->head.call.id = op.id;
  op.words = {std::to_string(op.number),
              std::to_string(row.token),
              running ? "1" : "0",
              std::to_string(row.attempt),
              encode_ended(row.token, op.ended->head, op.ended->progress, op.ended->ending),
              std::to_string(expiry_minute(op.ended->ending.expires))};
  append_callback_words(*op.ended, op.words);
}

void RedisCallLog::plan_redrive(ChangeOp& op, const Row& row) {
  const std::string only = "; only one that failed can be tried again";
  if (row.state != 'e') {
    op.result = fail(Code::conflict, "the call " + to_text(op.id) + " has not ended" + only);
    return;
  }
  auto ended = decode_ended(row.token, row.ended);
  if (!ended) {
    op.result = tl::unexpected(std::move(ended).error());
    return;
  }
  if (ended->ending.state != State::failed) {
    op.result = fail(Code::conflict, "the call " + to_text(op.id) + " ended as " +
                                         std::string(name(ended->ending.state)) + only);
    return;
  }
  const Redriven made = redriven(*std::move(ended), clock_.wall_now());
  op.result = Cancelled{.function = made.head.call.function};
  op.words = {std::to_string(op.number), std::to_string(row.token),
              op.owner_waiting_max ? std::to_string(*op.owner_waiting_max) : "",
              encode_head(row.token, made.head), encode_progress(row.token, made.progress)};
}

void RedisCallLog::complete(const Lease& lease, Outcome outcome, Done<void> done) {
  const auto number = number_of(lease.id);
  Held held;
  {
    const std::lock_guard lock(mutex_);
    const auto at = number ? held_.find(*number) : held_.end();
    const bool is_held = at != held_.end() && at->second.head->call.id == lease.id &&
                         at->second.attempt == lease.attempt && !at->second.settling;
    if (is_held) {
      at->second.settling = true;
      held = at->second;
    } else {
      ++stats_.refused_ends;
    }
  }
  if (!held.head) return done(tl::unexpected(late_end(lease)));
  for (auto [text, what] : {std::pair(&outcome.output, "output"), std::pair(&outcome.log, "log")}) {
    if (text->size() <= value_bytes_max) continue;
    text->clear();
    outcome.error = too_large_for_redis(what);
    outcome.error->code = Code::limit;
  }
  const AttemptEnded how{.attempt = lease.attempt,
                         .end = outcome.lost ? policy::AttemptEnd::lost : policy::AttemptEnd::failed,
                         .output = body_of(outcome.output),
                         .log = body_of(outcome.log)};
  if (auto pushed = push_end(*number, held, how, std::move(outcome), done, ""); !pushed) done(pushed);
}

// `guard`: it counts where its lease was over by then; "": in any case.
Result<void> RedisCallLog::push_end(std::uint64_t number, const Held& held, const AttemptEnded& how,
                                    Outcome outcome, Done<void> done, const std::string& guard) {
  const std::uint64_t token = held.head->token;
  double where = 0;
  {
    const std::lock_guard lock(mutex_);
    where = random();
  }
  EndOp op{.lease = {id_of(number, token), how.attempt},
           .number = number,
           .end = how.end,
           .settled = settle_attempt(*held.head, held.progress, how, outcome, options_.retry, where),
           .words = {std::to_string(number), std::to_string(token), std::to_string(how.attempt),
                     std::to_string(nonce_.fetch_add(1)), guard},
           .done = std::move(done)};
  if (op.settled.again) {
    const bool later = op.settled.again->due > clock_.wall_now();
    for (std::string word : {std::string("w"), encode_progress(token, *op.settled.again),
                             later ? micros(op.settled.again->due) : "", std::string(), std::string(),
                             std::string(), std::string(), std::string()}) {
      op.words.push_back(std::move(word));
    }
  } else {
    EndedRow& ended = *op.settled.ended;
    ended.head.call.id = op.lease.id;
    op.words.emplace_back(ended.ending.state == State::failed ? "f" : "c");
    op.words.push_back(encode_ended(token, ended.head, ended.progress, ended.ending));
    op.words.push_back(std::to_string(expiry_minute(ended.ending.expires)));
    op.words.push_back(std::move(ended.ending.outcome.output));
    op.words.push_back(std::move(ended.ending.outcome.log));
    append_callback_words(ended, op.words);
  }
  return push(std::move(op));
}

}  // namespace canopy::store
