#include "store/call_log_local.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "store/call_log_ends.h"

namespace canopy::store {
namespace {

constexpr Duration read_again_delay = std::chrono::seconds(1);

std::string file_name() {
  CallId id;
  fill_random(&id, sizeof id);
  return to_text(id);
}

Error stopped_error() { return {Code::unavailable, "the log of calls is closed: the server stops"}; }

}  // namespace

LocalCallLog::LocalCallLog(std::unique_ptr<CallShelf> shelf, std::unique_ptr<CallMarks> marks,
                           CallLogOptions options, const Clock& clock)
    : options_(options),
      clock_(clock),
      shelf_(std::move(shelf)),
      marks_(std::move(marks)),
      state_(shelf_->state()),
      queue_(options_),
      callbacks_(options_.callbacks_sent_max),
      random_(static_cast<std::uint64_t>(clock.wall_now().time_since_epoch().count())) {
  id_key_ = state_.id_key;
  next_number_ = state_.next_number;
}

LocalCallLog::~LocalCallLog() { stop(); }

void LocalCallLog::listen(CallLogListener& listener) {
  bool ready = false;
  bool callbacks = false;
  {
    const std::lock_guard lock(mutex_);
    listener_ = &listener;
    ready = queue_.has_ready();
    callbacks = callbacks_.size() > 0;
  }
  if (ready) listener.on_ready();
  if (callbacks) listener.on_callback();
}

CallId LocalCallLog::id_of(std::uint64_t number, std::uint64_t token) const {
  return hide_number(number, token, id_key_);
}

std::optional<std::uint64_t> LocalCallLog::number_of(CallId id) const {
  const std::uint64_t number = bare_number(id, id_key_);
  if (number == 0 || number >= next_number_.load(std::memory_order_acquire)) return std::nullopt;
  return number;
}

bool LocalCallLog::owns(CallId id) const { return number_of(id).has_value(); }

std::optional<CallId> LocalCallLog::restore(ShortId id) const {
  const std::uint64_t last = next_number_.load(std::memory_order_acquire) - 1;
  const std::uint64_t number = bare_number(id, id_key_, last);
  if (number == 0) return std::nullopt;
  return id_of(number, id.low);
}

Result<void> LocalCallLog::push(CallOp op, std::size_t bytes) {
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

void LocalCallLog::write_beside(std::function<void()> work) {
  {
    const std::lock_guard lock(asked_mutex_);
    file_work_.push_back(std::move(work));
  }
  file_asked_.notify_one();
}

void LocalCallLog::append(DurableCall call, Done<Accepted> done) {
  auto head = std::make_shared<CallHead>();
  head->call = std::move(call);
  DurableCall& kept = head->call;
  kept.queued = clock_.wall_now();
  const std::size_t bytes = memory_bytes(*head) + operation_bytes;
  const bool has_file = kept.input.size() > options_.inline_bytes_max;
  {
    const std::lock_guard lock(asked_mutex_);
    if (has_file && file_waits_) {
      return done(
          fail(Code::unavailable,
               "the call cannot be kept on the disk now: outputs of others wait for it to be written to",
               Stage::queue));
    }
    if (unwritten_bytes_ + bytes > options_.unwritten_bytes_max) {
      return done(
          fail(Code::exhausted, "too much is on its way to the disk; try again shortly", Stage::queue));
    }
  }
  Result<void> held;
  {
    const std::lock_guard lock(mutex_);
    held = queue_.hold(kept.owner, kept.function, kept.owner_waiting_max);
  }
  if (!held) return done(tl::unexpected(std::move(held).error()));
  head->input = body_of(kept.input);
  if (has_file) head->input.file = file_name();
  const auto hand_over = [this, head, done, bytes] {
    if (auto pushed = push(AppendOp{.head = head, .done = done}, bytes); !pushed) {
      {
        const std::lock_guard lock(mutex_);
        queue_.give_up(head->call.owner, head->call.function);
      }
      done(tl::unexpected(std::move(pushed).error()));
    }
  };
  if (!has_file) return hand_over();
  write_beside([this, head, done, hand_over] {
    if (auto written = shelf_->put_file(head->input.file, head->call.input); !written) {
      {
        const std::lock_guard lock(mutex_);
        queue_.give_up(head->call.owner, head->call.function);
      }
      return done(tl::unexpected(std::move(written).error()));
    }
    hand_over();
  });
}

std::vector<LeasedCall> LocalCallLog::lease(const LeaseRequest& request) {
  std::vector<CallQueue::Next> taken;
  std::vector<LeasedCall> leased;
  const WallTime now = clock_.wall_now();
  {
    const std::lock_guard lock(mutex_);
    while (taken.size() < request.count_max) {
      auto next = queue_.take(request, now);
      if (!next) break;
      if (marks_) {
        next->running->mark =
            marks_->put({.number = next->running->number, .attempt = next->running->attempt, .started = now});
      }
      taken.push_back(*std::move(next));
    }
  }
  leased.reserve(taken.size());
  for (CallQueue::Next& next : taken) {
    const std::uint64_t number = next.waiting.number;
    std::shared_ptr<const CallHead> head = std::move(next.waiting.head);
    if (!head) {
      auto read = read_head(number);
      const std::lock_guard lock(mutex_);
      CallQueue::Running* const running = queue_.running(number);
      if (running == nullptr) continue;  // Cancelled meanwhile.
      if (!read) {
        // What is damaged stays where it is, and does not run.
        if (marks_) marks_->erase(running->mark);
        const auto unread = std::make_shared<CallHead>();
        unread->call.queued = next.waiting.queued;
        running->head = unread;
        if (read.error().code == Code::unavailable) {
          queue_.put_back(number, now + read_again_delay, now);
        } else {
          queue_.end(number, true);
        }
        continue;
      }
      head = *std::move(read);
      running->head = head;
    }
    std::uint32_t attempt = 0;
    {
      const std::lock_guard lock(mutex_);
      CallQueue::Running* const running = queue_.running(number);
      if (running == nullptr || running->settling) continue;
      attempt = running->attempt;
    }
    LeasedCall call{.call = std::shared_ptr<const DurableCall>(head, &head->call), .attempt = attempt};
    if (head->call.deadline != WallTime() && head->call.deadline <= now) {
      CompleteOp late{.lease = call.lease(), .outcome = {}, .done = [](const Result<void>&) {}};
      late.is_final = true;
      late.outcome.ended = now;
      late.outcome.error =
          Error{Code::deadline, "the call's time was over before its turn came", Stage::queue};
      static_cast<void>(push(std::move(late), operation_bytes));
      continue;
    }
    leased.push_back(std::move(call));
  }
  return leased;
}

bool LocalCallLog::renew(const Lease& lease, Time until) {
  const auto number = number_of(lease.id);
  const std::lock_guard lock(mutex_);
  CallQueue::Running* const running = number ? queue_.running(*number) : nullptr;
  if (running == nullptr || running->attempt != lease.attempt || running->settling || running->lost)
    return false;
  queue_.set_until(*running, until);
  return true;
}

bool LocalCallLog::release(const Lease& lease, WallTime due) {
  const auto number = number_of(lease.id);
  {
    const std::lock_guard lock(mutex_);
    CallQueue::Running* const running = number ? queue_.running(*number) : nullptr;
    if (running == nullptr || running->attempt != lease.attempt || running->settling || running->lost) {
      return false;
    }
    if (marks_) marks_->erase(running->mark);
    queue_.put_back(*number, due, clock_.wall_now());
  }
  return true;
}

bool LocalCallLog::store_bodies(CompleteOp& op) {
  for (const auto& [text, body] :
       {std::pair(&op.outcome.output, &op.output), std::pair(&op.outcome.log, &op.log)}) {
    if (text->size() <= options_.inline_bytes_max) continue;
    if (body->file.empty()) body->file = file_name();
    if (const auto written = shelf_->put_file(body->file, *text); !written) {
      log::warn("cannot keep the output of a call yet: {}", written.error().message);
      body->file.clear();
      return false;
    }
  }
  return true;
}

void LocalCallLog::complete(const Lease& lease, Outcome outcome, Done<void> done) {
  const std::size_t bytes = outcome.output.size() + outcome.log.size() + operation_bytes;
  const bool has_file =
      outcome.output.size() > options_.inline_bytes_max || outcome.log.size() > options_.inline_bytes_max;
  auto op = std::make_shared<CompleteOp>(
      CompleteOp{.lease = lease, .outcome = std::move(outcome), .done = std::move(done)});
  if (op->outcome.lost) op->end = policy::AttemptEnd::lost;
  op->output = body_of(op->outcome.output);
  op->log = body_of(op->outcome.log);
  const auto hand_over = [this, op, bytes] {
    const auto answer = op->done;
    if (auto pushed = push(std::move(*op), bytes); !pushed) answer(pushed);
  };
  if (!has_file) return hand_over();
  // While the disk is full it waits here, and with it the thread: nothing large could be written anyway.
  write_beside([this, op, hand_over] {
    bool stopping = false;
    while (!stopping && !store_bodies(*op)) {
      std::unique_lock lock(asked_mutex_);
      file_waits_ = true;
      stopping = file_asked_.wait_for(lock, std::chrono::milliseconds(250), [this] { return stopping_; });
    }
    {
      const std::lock_guard lock(asked_mutex_);
      file_waits_ = false;
    }
    if (stopping) return op->done(tl::unexpected(stopped_error()));
    hand_over();
  });
}

Time LocalCallLog::sweep() {
  const Time now = clock_.now();
  const WallTime wall = clock_.wall_now();
  std::vector<CompleteOp> lost;
  bool ready = false;
  Time next = never;
  {
    const std::lock_guard lock(mutex_);
    ready = queue_.wake_due(wall);
    for (const std::uint64_t number : queue_.lost(now)) {
      CallQueue::Running& running = *queue_.running(number);
      if (!running.head) continue;  // It is being read.
      running.lost = true;
      CompleteOp op{.lease = {running.head->call.id, running.attempt},
                    .outcome = {},
                    .done = [](const Result<void>&) {}};
      op.end = policy::AttemptEnd::lost;
      op.outcome.started = running.started;
      op.outcome.ended = wall;
      op.outcome.error = Error{Code::died, "the worker that ran it was lost: its lease ended", Stage::run};
      lost.push_back(std::move(op));
    }
    if (queue_.next_lost() > now) next = queue_.next_lost();
    if (queue_.next_due() != WallTime::max()) next = std::min(next, now + (queue_.next_due() - wall));
  }
  for (CompleteOp& op : lost) static_cast<void>(push(std::move(op), operation_bytes));
  if (ready && listener_ != nullptr) listener_->on_ready();
  return next;
}

void LocalCallLog::cancel(CallId id, Done<Cancelled> done) {
  if (!owns(id)) return done(tl::unexpected(no_durable_call(id)));
  if (auto pushed = push(CancelOp{.id = id, .done = done}, operation_bytes); !pushed) {
    done(tl::unexpected(std::move(pushed).error()));
  }
}

void LocalCallLog::redrive(CallId id, std::optional<std::uint64_t> owner_waiting_max,
                           Done<FunctionName> done) {
  if (!owns(id)) return done(tl::unexpected(no_durable_call(id)));
  if (auto pushed =
          push(RedriveOp{.id = id, .owner_waiting_max = owner_waiting_max, .done = done}, operation_bytes);
      !pushed) {
    done(tl::unexpected(std::move(pushed).error()));
  }
}

Result<std::size_t> LocalCallLog::purge(std::size_t count_max) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<std::size_t>> result;
  };
  const auto waiting = std::make_shared<Waiting>();
  const auto done = [waiting](Result<std::size_t> result) {
    const std::lock_guard lock(waiting->mutex);
    waiting->result = std::move(result);
    waiting->changed.notify_all();
  };
  CANOPY_TRY_VOID(push(PurgeOp{.count_max = count_max, .done = done}, operation_bytes));
  std::unique_lock lock(waiting->mutex);
  waiting->changed.wait(lock, [&waiting] { return waiting->result.has_value(); });
  return *std::move(waiting->result);
}

void LocalCallLog::forget(CallId id, Done<void> done) {
  if (!owns(id)) return done(tl::unexpected(no_durable_call(id)));
  const auto told = [done](const Result<std::size_t>& result) {
    done(result ? Result<void>() : tl::unexpected(result.error()));
  };
  if (auto pushed = push(PurgeOp{.only = id, .done = told}, operation_bytes); !pushed) {
    done(tl::unexpected(std::move(pushed).error()));
  }
}

double LocalCallLog::random() { return std::uniform_real_distribution<double>(0, 1)(random_); }

CallLogStats LocalCallLog::stats() const {
  const std::lock_guard lock(mutex_);
  CallLogStats stats = stats_;
  stats.waiting_count = queue_.waiting_count();
  stats.delayed_count = queue_.delayed_count();
  stats.running_count = queue_.running_count();
  stats.callbacks_waiting = callbacks_.size();
  stats.oldest_queued = queue_.oldest_queued();
  stats.wal_bytes = shelf_->wal_bytes();
  return stats;
}

void LocalCallLog::stop() {
  {
    const std::lock_guard lock(asked_mutex_);
    stopping_ = true;
  }
  asked_.notify_all();
  file_asked_.notify_all();
  if (files_.joinable()) files_.join();
  {
    const std::lock_guard lock(asked_mutex_);
    files_done_ = true;
  }
  asked_.notify_all();
  if (writer_.joinable()) writer_.join();
}

}  // namespace canopy::store
