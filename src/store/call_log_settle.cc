// How calls end: what an attempt's end makes of its call, and what an end leaves behind.

#include <utility>

#include "store/call_log_ends.h"
#include "store/call_log_local.h"

namespace canopy::store {
// A call that has an end: its row moves, and who waits for a callback is noted.
Result<void> LocalCallLog::end_call(std::uint64_t number, const EndedRow& ended, std::string_view input) {
  const bool is_dead = ended.ending.state == State::failed;
  const auto inline_part = [](const Body& body, std::string_view bytes) {
    return body.file.empty() ? bytes : std::string_view();
  };
  const std::string row = encode_ended(number, ended.head, ended.progress, ended.ending);
  const Outcome& outcome = ended.ending.outcome;
  CANOPY_TRY_VOID(shelf_->put_ended({.number = number,
                                     .row = row,
                                     .output = inline_part(ended.ending.output, outcome.output),
                                     .log = inline_part(ended.ending.log, outcome.log),
                                     .input = is_dead ? inline_part(ended.head.input, input) : "",
                                     .expires_minute = expiry_minute(ended.ending.expires),
                                     .is_dead = is_dead}));
  CANOPY_TRY_VOID(shelf_->erase_live(number));
  if (ended.head.call.callback_url.empty()) return {};
  const CallbackState waiting{.kind = CallbackState::Kind::waiting, .due = outcome.ended, .error = {}};
  return shelf_->put_callback(number, encode_callback(number, waiting, outcome.ended));
}

// Decides what becomes of a call whose attempt has ended, and writes it.
Result<void> LocalCallLog::settle(CompleteOp& op, std::uint64_t number, const CallHead& head,
                                  const Progress& before, std::uint32_t attempt) {
  double where = 0;
  {
    const std::lock_guard lock(mutex_);
    where = random();
  }
  const AttemptEnded how{
      .attempt = attempt, .end = op.end, .is_final = op.is_final, .output = op.output, .log = op.log};
  Settled settled = settle_attempt(head, before, how, op.outcome, options_.retry, where);
  if (settled.again) {
    CANOPY_TRY_VOID(shelf_->put_progress(number, encode_progress(number, *settled.again)));
    op.again = std::move(settled.again);
    return {};
  }
  op.ended = std::move(settled.ended);
  return end_call(number, *op.ended, head.call.input);
}

Result<void> LocalCallLog::apply(CompleteOp& op) {
  const auto number = number_of(op.lease.id);
  std::shared_ptr<const CallHead> head;
  Progress progress;
  {
    const std::lock_guard lock(mutex_);
    CallQueue::Running* const running = number ? queue_.running(*number) : nullptr;
    if (running == nullptr || !running->head || running->head->call.id != op.lease.id ||
        running->attempt != op.lease.attempt || running->settling) {
      op.result = tl::unexpected(late_end(op.lease));
      ++stats_.refused_ends;
      return {};
    }
    running->settling = true;
    head = running->head;
    if (const Progress* const before = queue_.find_progress(*number)) progress = *before;
  }
  op.number = *number;
  op.again.reset();
  if (op.ended) op.outcome = std::move(op.ended->ending.outcome);  // It is tried a second time.
  op.ended.reset();
  return settle(op, *number, *head, progress, op.lease.attempt);
}

void LocalCallLog::show(CompleteOp& op) {
  if (op.number == 0) return;
  CallQueue::Running& running = *queue_.running(op.number);
  if (marks_) marks_->erase(running.mark);
  const bool lost = op.end == policy::AttemptEnd::lost;
  if (lost) ++stats_.lost;
  if (op.again) {
    if (!lost) ++stats_.retried;
    queue_.progress(op.number) = *op.again;
    queue_.put_back(op.number, op.again->due, clock_.wall_now());
    made_ready_ = true;
    return;
  }
  queue_.end(op.number, true);
  show_end(op.number, *op.ended);
}

void LocalCallLog::undo(CompleteOp& op) {
  if (op.number == 0) return;
  if (CallQueue::Running* const running = queue_.running(op.number)) running->settling = false;
  op.number = 0;
}

void LocalCallLog::show_end(std::uint64_t number, const EndedRow& ended) {
  switch (ended.ending.state) {
    case State::completed:
      ++stats_.completed;
      break;
    case State::failed:
      ++stats_.failed;
      ++stats_.dead_count;
      break;
    default:
      ++stats_.cancelled;
  }
  if (ended.head.call.callback_url.empty()) return;
  callbacks_.plan(number, ended.ending.outcome.ended, payer_of(ended.head.call));
  made_callback_ = true;
}

}  // namespace canopy::store
