#include "store/call_log_ends.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/mix.h"

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

Record base_record(const CallHead& head) {
  Record record;
  record.function = head.call.function;
  record.queued = head.call.queued;
  record.input_bytes = head.input.size_bytes;
  record.trace = head.call.trace;
  return record;
}

DurableRecord durable_part(const CallHead& head, const Progress& progress) {
  DurableRecord made;
  made.record = base_record(head);
  made.owner = head.call.owner;
  const char* const end = made.owner.data() + made.owner.size();
  std::from_chars(made.owner.data(), end, made.record.owner);  // 0 where it is nobody's.
  made.retries_max = head.call.retries_max;
  made.attempts = progress.attempts;
  made.deadline = head.call.deadline;
  made.idempotency_key = head.call.idempotency_key;
  made.callback_url = head.call.callback_url;
  return made;
}

// Why the attempt failed; nothing where it did not.
std::optional<Error> failure_of(const Outcome& outcome) {
  if (outcome.error || outcome.status < server_error) return outcome.error;
  return Error{Code::function_failed,
               "the function answered with the status " + std::to_string(outcome.status), Stage::reply};
}

}  // namespace

Settled settle_attempt(const CallHead& head, const Progress& before, const AttemptEnded& how,
                       Outcome& outcome, policy::RetryRule rule, double random) {
  Progress progress = before;
  progress.attempt = how.attempt;
  if (const std::optional<Error> failure = failure_of(outcome)) {
    ++(how.end == policy::AttemptEnd::lost ? progress.tries.losses : progress.tries.failures);
    rule.retries_max = head.call.retries_max;
    auto delay = policy::retry_delay(rule, progress.tries, how.end, random);
    if (how.is_final || !policy::is_worth_retrying(failure->code)) delay.reset();
    const WallTime due = outcome.ended + delay.value_or(Duration::zero());
    if (head.call.deadline != WallTime() && due >= head.call.deadline) delay.reset();
    if (delay) {
      progress.attempts.push_back(
          {.number = how.attempt, .started = outcome.started, .ended = outcome.ended, .error = failure});
      if (progress.attempts.size() > kept_attempts_max) progress.attempts.erase(progress.attempts.begin());
      progress.due = due;
      return {.again = std::move(progress), .ended = {}};
    }
  }
  Ending ending{.state = outcome.error ? State::failed : State::completed,
                .outcome = std::move(outcome),
                .expires = {},
                .output = how.output,
                .log = how.log};
  ending.expires = ending.outcome.ended + head.call.keep;
  return {.again = {},
          .ended = EndedRow{
              .head = without_input(head), .progress = std::move(progress), .ending = std::move(ending)}};
}

EndedRow cancelled_row(CallHead head, Progress progress, bool was_running, WallTime started, WallTime now) {
  Ending ending;
  ending.state = State::canceled;
  if (was_running) ending.outcome.started = started;
  ending.outcome.ended = now;
  const WallTime waited_until = was_running ? started : now;
  ending.outcome.usage.wait_time = std::max<Duration>(waited_until - head.call.queued, Duration::zero());
  if (was_running) ending.outcome.usage.run_time = std::max<Duration>(now - started, Duration::zero());
  ending.outcome.error =
      Error{Code::canceled, "the call was cancelled", was_running ? Stage::run : Stage::queue};
  ending.expires = now + head.call.keep;
  return {.head = std::move(head), .progress = std::move(progress), .ending = std::move(ending)};
}

Redriven redriven(EndedRow ended, WallTime now) {
  Redriven made{.head = std::move(ended.head), .progress = std::move(ended.progress)};
  made.progress.tries = {};
  made.progress.due = {};
  made.progress.attempts.push_back({.number = made.progress.attempt,
                                    .started = ended.ending.outcome.started,
                                    .ended = ended.ending.outcome.ended,
                                    .error = ended.ending.outcome.error});
  DurableCall& call = made.head.call;
  if (call.deadline != WallTime()) call.deadline = now + (call.deadline - call.queued);
  return made;
}

DurableRecord waiting_record(const CallHead& head, const Progress& progress) {
  DurableRecord made = durable_part(head, progress);
  made.record.attempt = progress.attempt + 1;
  made.due = progress.due;
  return made;
}

DurableRecord ended_record(const EndedRow& ended) {
  DurableRecord made = durable_part(ended.head, ended.progress);
  const Outcome& outcome = ended.ending.outcome;
  Record& record = made.record;
  record.state = ended.ending.state;
  record.version = outcome.version;
  record.started = outcome.started;
  record.ended = outcome.ended;
  record.attempt = std::max<std::uint32_t>(ended.progress.attempt, 1);
  record.status = outcome.status;
  record.exit_code = outcome.exit_code;
  record.usage = outcome.usage;
  record.output_bytes = ended.ending.output.size_bytes;
  record.log_dropped_bytes = outcome.log_dropped_bytes;
  record.error = outcome.error;
  if (ended.progress.attempt > 0 && outcome.started != WallTime()) {
    made.attempts.push_back({.number = ended.progress.attempt,
                             .started = outcome.started,
                             .ended = outcome.ended,
                             .error = outcome.error});
  }
  made.log_bytes = ended.ending.log.size_bytes;
  made.expires = ended.ending.expires;
  return made;
}

Error queue_full(const std::string& what, std::uint64_t max) {
  return {Code::exhausted,
          "as many calls " + what + " wait as may: " + std::to_string(max) + "; try again later",
          Stage::queue};
}

Error quota_used_up(std::uint64_t max) {
  return {Code::exhausted,
          "the quota 'queued_calls' of the function's owner is used up, which is " + std::to_string(max) +
              "; wait, or ask an administrator for more",
          Stage::queue};
}

Error no_durable_call(CallId id) {
  return {Code::not_found, "there is no durable call " + to_text(id) + ", or it is forgotten"};
}

Error late_end(const Lease& lease) {
  return {Code::conflict, "attempt " + std::to_string(lease.attempt) + " of call " + to_text(lease.id) +
                              " is not under way any more; its end is not recorded"};
}

CallId hide_number(std::uint64_t number, std::uint64_t token, std::uint64_t key) {
  return {.high = number ^ mixed(token ^ key), .low = token};
}

std::uint64_t bare_number(CallId id, std::uint64_t key) { return id.high ^ mixed(id.low ^ key); }

// The number has 64 bits, of which 32 are known.
std::uint64_t bare_number(ShortId id, std::uint64_t key, std::uint64_t last) {
  constexpr std::uint64_t known = 0xffff'ffff;
  std::uint64_t number = (last & ~known) | ((id.high ^ mixed(id.low ^ key)) & known);
  if (number > last) number -= known + 1;
  return number > last ? 0 : number;
}

}  // namespace canopy::store
