// What the writer does with each thing that is asked of it: apply() writes rows, show() lets it be seen once
// they are on the disk, undo() takes back what was begun where they could not be written.

#include <algorithm>
#include <utility>

#include "store/call_log_ends.h"
#include "store/call_log_keys.h"
#include "store/call_log_local.h"

namespace canopy::store {
Result<void> LocalCallLog::apply(AppendOp& op) {
  CallHead& head = *op.head;
  const bool has_key = !head.call.idempotency_key.empty();
  std::string digest;
  std::string request;
  if (has_key) {
    digest = key_digest(head.call);
    request = request_digest(head.call);
    CANOPY_TRY(const auto known, shelf_->key(digest));
    if (known) {
      const auto key = decode_key(*known);
      if (!key) {
        op.result = fail(Code::internal, "the record of this Idempotency-Key is damaged on the disk");
      } else if (key->request != request) {
        op.result = tl::unexpected(key_conflict(head.call));
      } else {
        op.result = Accepted{.id = id_of(key->number, key->token), .existed = true};
      }
      return {};
    }
  }
  const std::uint64_t number = state_.next_number;
  head.token = tokens_.next().low;
  head.call.id = id_of(number, head.token);
  const bool has_file = !head.input.file.empty();
  CANOPY_TRY_VOID(shelf_->put_live(number, encode_head(number, head), has_file ? "" : head.call.input));
  if (has_key) {
    CANOPY_TRY_VOID(shelf_->put_key(
        digest, encode_key({.number = number, .token = head.token, .request = std::move(request)})));
  }
  ++state_.next_number;
  op.number = number;
  op.result = Accepted{.id = head.call.id};
  return {};
}

void LocalCallLog::show(AppendOp& op) {
  const DurableCall& call = op.head->call;
  if (op.number == 0) return queue_.give_up(call.owner, call.function);
  const bool is_cached = queue_.cached_bytes() + memory_bytes(*op.head) <= options_.cached_input_bytes_max &&
                         op.head->input.file.empty();
  queue_.add(call.owner, call.function,
             {.number = op.number, .queued = call.queued, .head = is_cached ? op.head : nullptr}, WallTime(),
             call.queued, true);
  ++stats_.appended;
  made_ready_ = true;
}

void LocalCallLog::undo(AppendOp& op) { op.number = 0; }

Result<void> LocalCallLog::apply(CancelOp& op) {
  const auto number = number_of(op.id);
  op.result = tl::unexpected(no_durable_call(op.id));
  op.number = 0;
  if (!number) return {};
  CANOPY_TRY(const auto row, shelf_->read_own(*number, Part::row));
  if (!row) return {};
  const WallTime now = clock_.wall_now();
  if (row->has_ended) {
    const auto ended = decode_ended(*number, row->row);
    if (!ended) {
      op.result = tl::unexpected(ended.error());
    } else if (id_of(*number, ended->head.token) == op.id) {
      op.result = fail(Code::conflict, "the call " + to_text(op.id) + " has ended already, as " +
                                           std::string(name(ended->ending.state)));
    }
    return {};
  }
  auto head = decode_head(*number, row->row);
  if (!head) {
    op.result = tl::unexpected(head.error());
    return {};
  }
  head->call.id = id_of(*number, head->token);
  if (head->call.id != op.id) return {};
  Cancelled found{.function = head->call.function};
  Progress progress;
  WallTime started{};
  {
    const std::lock_guard lock(mutex_);
    if (const Progress* const before = queue_.find_progress(*number)) progress = *before;
    if (CallQueue::Running* const running = queue_.running(*number)) {
      if (running->settling) {
        op.result = fail(Code::conflict, "the call " + to_text(op.id) + " ends at this very moment");
        return {};
      }
      running->settling = true;
      found.was_running = true;
      started = running->started;
      progress.attempt = running->attempt;
    } else {
      queue_.drop(*number, head->call.owner, head->call.function);
    }
  }
  op.number = *number;
  op.result = found;
  op.ended = cancelled_row(*std::move(head), std::move(progress), found.was_running, started, now);
  return end_call(*number, *op.ended, {});
}

void LocalCallLog::show(CancelOp& op) {
  if (op.number == 0) return;
  if (CallQueue::Running* const running = queue_.running(op.number); running && running->settling) {
    if (marks_) marks_->erase(running->mark);
    queue_.end(op.number, true);
  } else {
    queue_.forget(op.number);
  }
  show_end(op.number, *op.ended);
}

void LocalCallLog::undo(CancelOp& op) {
  if (op.number == 0) return;
  if (op.result->was_running) {
    if (CallQueue::Running* const running = queue_.running(op.number)) running->settling = false;
  } else {
    const DurableCall& call = op.ended->head.call;
    queue_.undo_drop(call.owner, call.function, {.number = op.number, .queued = call.queued, .head = {}},
                     op.ended->progress.due, clock_.wall_now());
  }
  op.number = 0;
}

Result<void> LocalCallLog::apply(RedriveOp& op) {
  const auto number = number_of(op.id);
  op.result = tl::unexpected(no_durable_call(op.id));
  op.number = 0;
  if (!number) return {};
  CANOPY_TRY(auto row, shelf_->read_own(*number, Part::input));
  if (!row) return {};
  const std::string only = "; only one that failed can be tried again";
  if (!row->has_ended) {
    const auto head = decode_head(*number, row->row);
    if (head && id_of(*number, head->token) == op.id) {
      op.result = fail(Code::conflict, "the call " + to_text(op.id) + " has not ended" + only);
    }
    return {};
  }
  auto ended = decode_ended(*number, row->row);
  if (!ended) {
    op.result = tl::unexpected(ended.error());
    return {};
  }
  if (id_of(*number, ended->head.token) != op.id) return {};
  if (ended->ending.state != State::failed) {
    op.result = fail(Code::conflict, "the call " + to_text(op.id) + " ended as " +
                                         std::string(name(ended->ending.state)) + only);
    return {};
  }
  const WallTime expires = ended->ending.expires;
  Redriven made = redriven(*std::move(ended), clock_.wall_now());
  op.head = std::move(made.head);
  op.head.call.id = op.id;
  op.progress = std::move(made.progress);
  {
    const std::lock_guard lock(mutex_);
    if (auto held = queue_.hold(op.head.call.owner, op.head.call.function, op.owner_waiting_max); !held) {
      op.result = tl::unexpected(std::move(held).error());
      return {};
    }
  }
  op.number = *number;
  op.result = op.head.call.function;
  CANOPY_TRY_VOID(shelf_->put_live(*number, encode_head(*number, op.head), row->body));
  CANOPY_TRY_VOID(shelf_->put_progress(*number, encode_progress(*number, op.progress)));
  CANOPY_TRY_VOID(shelf_->erase_ended(*number, expiry_minute(expires)));
  return shelf_->erase_callback(*number);
}

void LocalCallLog::show(RedriveOp& op) {
  if (op.number == 0) return;
  queue_.progress(op.number) = op.progress;
  queue_.add(op.head.call.owner, op.head.call.function,
             {.number = op.number, .queued = op.head.call.queued, .head = {}}, WallTime(), clock_.wall_now(),
             true);
  callbacks_.drop(op.number);
  --stats_.dead_count;
  made_ready_ = true;
}

void LocalCallLog::undo(RedriveOp& op) {
  if (op.number != 0) queue_.give_up(op.head.call.owner, op.head.call.function);
  op.number = 0;
}

// The minute of its expiry; nothing where the call has not ended.
//   not_found
Result<std::optional<std::int64_t>> LocalCallLog::find_ended(CallId id, std::uint64_t number) {
  CANOPY_TRY(const auto row, shelf_->read_own(number, Part::row));
  const auto absent = [id] { return tl::unexpected(no_durable_call(id)); };
  if (!row) return absent();
  if (!row->has_ended) {
    CANOPY_TRY(const auto head, decode_head(number, row->row));
    if (id_of(number, head.token) != id) return absent();
    return std::nullopt;
  }
  CANOPY_TRY(const auto ended, decode_ended(number, row->row));
  if (id_of(number, ended.head.token) != id) return absent();
  return expiry_minute(ended.ending.expires);
}

Result<void> LocalCallLog::apply(PurgeOp& op) {
  const std::int64_t minute =
      std::chrono::floor<std::chrono::minutes>(clock_.wall_now().time_since_epoch()).count();
  op.numbers.clear();
  op.files.clear();
  op.dead_count = 0;
  std::vector<std::pair<std::int64_t, std::uint64_t>> expired;
  if (op.only) {
    const std::uint64_t number = number_of(*op.only).value_or(0);
    const auto found = find_ended(*op.only, number);
    if (!found && found.error().code == Code::unavailable) return tl::unexpected(found.error());
    if (!found || !*found) {
      op.result = found ? fail(Code::conflict, "the call " + to_text(*op.only) + " has not ended")
                        : Result<std::size_t>(tl::unexpected(found.error()));
      return {};
    }
    expired.emplace_back(**found, number);
  } else {
    CANOPY_TRY(expired, shelf_->expired(minute, op.count_max));
  }
  std::vector<std::string> files;
  for (const auto& [expires, number] : expired) {
    CANOPY_TRY(const auto row, shelf_->read_own(number, Part::row));
    if (row && row->has_ended) {
      if (const auto ended = decode_ended(number, row->row)) {
        if (!ended->head.call.idempotency_key.empty()) {
          CANOPY_TRY_VOID(shelf_->erase_key(key_digest(ended->head.call)));
        }
        if (ended->ending.state == State::failed) ++op.dead_count;
        for (const Body* const body : {&ended->head.input, &ended->ending.output, &ended->ending.log}) {
          if (!body->file.empty()) files.push_back(body->file);
        }
      }
    }
    CANOPY_TRY_VOID(shelf_->erase_callback(number));
    CANOPY_TRY_VOID(shelf_->erase_ended(number, expires));
    op.numbers.push_back(number);
  }
  op.files = std::move(files);
  op.result = op.numbers.size();
  return {};
}

void LocalCallLog::show(PurgeOp& op) {
  for (const std::uint64_t number : op.numbers) callbacks_.drop(number);
  stats_.purged += op.numbers.size();
  stats_.dead_count -= std::min(stats_.dead_count, op.dead_count);
}

}  // namespace canopy::store
