// The callbacks of calls that have ended: which are due, and what became of them.

#include <utility>

#include "store/call_log_local.h"

namespace canopy::store {

std::vector<DueCallback> LocalCallLog::lease_callbacks(std::size_t count_max, WallTime until) {
  std::vector<std::uint64_t> numbers;
  const WallTime now = clock_.wall_now();
  {
    const std::lock_guard lock(mutex_);
    while (numbers.size() < count_max && !callbacks_.empty() && callbacks_.begin()->first <= now) {
      numbers.push_back(callbacks_.begin()->second);
      plan_callback(numbers.back(), until);
    }
  }
  std::vector<DueCallback> due;
  for (const std::uint64_t number : numbers) {
    const auto row = shelf_->read_callback(number);
    auto call = shelf_->read(number, Part::body);
    if (!row || !call || !*row || !*call || !(*call)->has_ended) continue;
    const auto callback = decode_callback(number, **row);
    const auto ended = decode_ended(number, (*call)->row);
    if (!callback || !ended) continue;
    DueCallback found{.id = ended->head.call.id,
                      .url = ended->head.call.callback_url,
                      .attempt = callback->state.attempts + 1,
                      .first_due = callback->first_due,
                      .record = ended_record(number, *ended),
                      .result = {}};
    found.id = found.record.record.id;
    auto body = read_body(number, ended->ending.output, std::move((*call)->body));
    if (!body) continue;
    found.result = {.state = ended->ending.state,
                    .status = ended->ending.outcome.status,
                    .headers = ended->ending.outcome.headers,
                    .output = *std::move(body),
                    .usage = ended->ending.outcome.usage,
                    .error = ended->ending.outcome.error};
    due.push_back(std::move(found));
  }
  return due;
}

void LocalCallLog::complete_callback(CallId id, CallbackOutcome outcome) {
  const auto number = number_of(id);
  if (!number) return;
  const auto row = shelf_->read_callback(*number);
  if (!row || !*row) return;
  auto callback = decode_callback(*number, **row);
  if (!callback) return;
  callback->state.kind = outcome.kind;
  ++callback->state.attempts;
  callback->state.due = outcome.next_due;
  callback->state.status = outcome.status;
  callback->state.error = std::move(outcome.error);
  static_cast<void>(push(CallbackOp{.number = *number, .row = *std::move(callback)}, operation_bytes));
}

void LocalCallLog::plan_callback(std::uint64_t number, WallTime due) {
  drop_callback(number);
  callbacks_.emplace(due, number);
  callback_dues_[number] = due;
}

void LocalCallLog::drop_callback(std::uint64_t number) {
  const auto at = callback_dues_.find(number);
  if (at == callback_dues_.end()) return;
  callbacks_.erase({at->second, number});
  callback_dues_.erase(at);
}

Result<void> LocalCallLog::apply(CallbackOp& op) {
  return shelf_->put_callback(op.number, encode_callback(op.number, op.row.state, op.row.first_due));
}

void LocalCallLog::show(CallbackOp& op) {
  if (op.row.state.kind == CallbackState::Kind::waiting) {
    plan_callback(op.number, op.row.state.due);
    made_callback_ = true;
  } else {
    drop_callback(op.number);
  }
}

}  // namespace canopy::store
