// How calls end: what an attempt's end makes of its call, and what an end leaves behind.

#include <utility>

#include "store/call_log_local.h"

namespace canopy::store {
namespace {

constexpr int server_error = 500;  // A reply from here on is a failed attempt, while it may be tried again.

CallHead without_input(const CallHead& head) {
  const DurableCall& call = head.call;
  return {.token = head.token,
          .call = {.id = call.id,
                   .owner = call.owner,
                   .function = call.function,
                   .method = call.method,
                   .path = call.path,
                   .query = call.query,
                   .headers = call.headers,
                   .input = {},
                   .trace = call.trace,
                   .timeout = call.timeout,
                   .retries_max = call.retries_max,
                   .callback_url = call.callback_url,
                   .idempotency_key = call.idempotency_key,
                   .keep = call.keep,
                   .queued = call.queued,
                   .deadline = call.deadline},
          .input = head.input};
}

Error late_end(const Lease& lease) {
  return {Code::conflict, "attempt " + std::to_string(lease.attempt) + " of call " + to_text(lease.id) +
                              " is not under way any more; its end is not recorded"};
}

}  // namespace

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
  Outcome& outcome = op.outcome;
  Progress progress = before;
  progress.attempt = attempt;
  std::optional<Error> failure = outcome.error;
  if (!failure && outcome.status >= server_error) {
    failure = Error{Code::function_failed,
                    "the function answered with the status " + std::to_string(outcome.status), Stage::reply};
  }
  if (failure) {
    const bool lost = op.end == policy::AttemptEnd::lost;
    ++(lost ? progress.tries.losses : progress.tries.failures);
    policy::RetryRule rule = options_.retry;
    rule.retries_max = head.call.retries_max;
    double where = 0;
    {
      const std::lock_guard lock(mutex_);
      where = random();
    }
    auto delay = policy::retry_delay(rule, progress.tries, op.end, where);
    if (op.is_final || !policy::is_worth_retrying(failure->code)) delay.reset();
    const WallTime due = outcome.ended + delay.value_or(Duration::zero());
    if (head.call.deadline != WallTime() && due >= head.call.deadline) delay.reset();
    if (delay) {
      progress.attempts.push_back(
          {.number = attempt, .started = outcome.started, .ended = outcome.ended, .error = failure});
      if (progress.attempts.size() > kept_attempts_max) progress.attempts.erase(progress.attempts.begin());
      progress.due = due;
      CANOPY_TRY_VOID(shelf_->put_progress(number, encode_progress(number, progress)));
      op.again = std::move(progress);
      return {};
    }
  }
  Ending ending{.state = outcome.error ? State::failed : State::completed,
                .outcome = std::move(outcome),
                .expires = {},
                .output = op.output,
                .log = op.log};
  ending.expires = ending.outcome.ended + head.call.keep;
  op.ended =
      EndedRow{.head = without_input(head), .progress = std::move(progress), .ending = std::move(ending)};
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
