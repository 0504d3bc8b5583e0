// The callbacks of calls that have ended: which are due, and what became of them.

#include <algorithm>
#include <functional>
#include <utility>

#include "store/call_log_local.h"

namespace canopy::store {

std::vector<DueCallback> LocalCallLog::lease_callbacks(std::size_t count_max, WallTime until) {
  const WallTime now = clock_.wall_now();
  std::vector<DueCallback> due;
  while (due.size() < count_max) {
    std::optional<std::uint64_t> number;
    {
      const std::lock_guard lock(mutex_);
      number = callbacks_.take(now, until);
    }
    if (!number) break;
    CallbackLine::Payer payer = CallbackLine::unknown;
    WallTime since{};
    auto found = read_callback(*number, payer, since);
    const std::lock_guard lock(mutex_);
    if (!found) {
      callbacks_.plan(*number, until);  // It cannot be read now, and is not on its way.
    } else if (callbacks_.know_payer(*number, payer, since)) {
      due.push_back(*std::move(found));
    }
  }
  return due;
}

// Whose share of the callbacks on their way it is: its owner's; where it has none, its namespace's.
CallbackLine::Payer LocalCallLog::payer_of(const DurableCall& call) {
  const std::string whose = call.owner.empty() ? "/" + call.function.space : call.owner;
  return std::max<CallbackLine::Payer>(std::hash<std::string>()(whose), 1);
}

std::optional<DueCallback> LocalCallLog::read_callback(std::uint64_t number, CallbackLine::Payer& payer,
                                                       WallTime& since) {
  const auto row = shelf_->read_callback(number);
  auto call = shelf_->read(number, Part::body);
  if (!row || !call || !*row || !*call || !(*call)->has_ended) return std::nullopt;
  const auto callback = decode_callback(number, **row);
  const auto ended = decode_ended(number, (*call)->row);
  if (!callback || !ended) return std::nullopt;
  payer = payer_of(ended->head.call);
  since = callback->state.due;
  DueCallback found{.id = {},
                    .url = ended->head.call.callback_url,
                    .attempt = callback->state.attempts + 1,
                    .first_due = callback->first_due,
                    .record = ended_record(number, *ended),
                    .result = {}};
  found.id = found.record.record.id;
  auto body = read_body(number, ended->ending.output, std::move((*call)->body));
  if (!body) return std::nullopt;
  found.result = {.state = ended->ending.state,
                  .status = ended->ending.outcome.status,
                  .headers = ended->ending.outcome.headers,
                  .output = *std::move(body),
                  .usage = ended->ending.outcome.usage,
                  .error = ended->ending.outcome.error};
  return found;
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

Result<void> LocalCallLog::apply(CallbackOp& op) {
  return shelf_->put_callback(op.number, encode_callback(op.number, op.row.state, op.row.first_due));
}

void LocalCallLog::show(CallbackOp& op) {
  if (op.row.state.kind == CallbackState::Kind::waiting) {
    callbacks_.plan(op.number, op.row.state.due);
    made_callback_ = true;
  } else {
    callbacks_.drop(op.number);
  }
}

}  // namespace canopy::store
