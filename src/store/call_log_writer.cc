// The writer: takes what was asked for while it was busy, writes it in one transaction with one fsync, and
// then lets it be seen, and answers.
//
// Where the disk does not take it, appends are answered `unavailable` at once, since whoever asked can ask
// again; ends of attempts are kept, and written when the disk works again.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/call_log_local.h"

namespace canopy::store {
namespace {

constexpr Duration first_pause = std::chrono::milliseconds(20);
constexpr Duration longest_pause = std::chrono::seconds(1);
constexpr Duration commit_max_window = std::chrono::minutes(1);
constexpr std::size_t operation_bytes = 512;

std::size_t bytes_of(const CallOp& op) {
  if (const auto* const append = std::get_if<AppendOp>(&op))
    return memory_bytes(*append->head) + operation_bytes;
  if (const auto* const end = std::get_if<CompleteOp>(&op)) {
    return end->outcome.output.size() + end->outcome.log.size() + operation_bytes;
  }
  return operation_bytes;
}

// Whether it is for us to try again, and not for who asked.
bool is_kept(const CallOp& op) {
  return std::holds_alternative<CompleteOp>(op) || std::holds_alternative<CallbackOp>(op);
}

}  // namespace

void LocalCallLog::run_writer() {
  std::vector<CallOp> batch;
  std::vector<std::size_t> sizes;
  Duration pause{};
  for (;;) {
    std::size_t bytes = 0;
    {
      std::unique_lock lock(asked_mutex_);
      if (pause > Duration::zero()) {
        asked_.wait_for(lock, pause, [this] { return files_done_; });
        if (files_done_) break;
      }
      asked_.wait(lock, [&] { return !ops_.empty() || !batch.empty() || files_done_; });
      if (ops_.empty() && batch.empty()) return;
      std::size_t count = 0;
      for (; count < ops_.size() && batch.size() + count < options_.batch_count_max; ++count) {
        const std::size_t size = bytes_of(ops_[count]);
        if (count > 0 && bytes + size > options_.batch_bytes_max) break;
        bytes += size;
      }
      if (count == ops_.size() && batch.empty()) {
        batch.swap(ops_);
      } else {
        const auto end = ops_.begin() + static_cast<std::ptrdiff_t>(count);
        std::move(ops_.begin(), end, std::back_inserter(batch));
        ops_.erase(ops_.begin(), end);
      }
    }
    const bool written = write(batch);
    if (written) {
      tell(batch);
      pause = {};
      batch.clear();
    } else {
      pause = std::clamp(pause * 2, first_pause, longest_pause);
    }
    const std::lock_guard lock(asked_mutex_);
    unwritten_bytes_ -= std::min(unwritten_bytes_, bytes);
  }
  // The log is closed while the disk does not take what is left: the next start gives those calls back.
  const Error closed{Code::unavailable, "the log of calls was closed before this was written"};
  {
    const std::lock_guard lock(asked_mutex_);
    std::move(ops_.begin(), ops_.end(), std::back_inserter(batch));
    ops_.clear();
  }
  answer_failure(batch, closed);
  for (CallOp& op : batch) {
    if (auto* const end = std::get_if<CompleteOp>(&op)) end->done(tl::unexpected(closed));
  }
}

// True where it is on the disk, and to be seen. Else what is left in `batch` is to be tried again.
bool LocalCallLog::write(std::vector<CallOp>& batch) {
  Result<void> written = shelf_->begin();
  for (CallOp& op : batch) {
    if (!written) break;
    written = std::visit([this](auto& known) { return apply(known); }, op);
  }
  const auto committing = clock_.now();
  if (written) {
    ++state_.batch;
    written = shelf_->commit(state_);
  }
  if (!written) {
    shelf_->rollback();
    state_ = shelf_->state();
    {
      const std::lock_guard lock(mutex_);
      for (auto op = batch.rbegin(); op != batch.rend(); ++op) {
        std::visit([this](auto& known) { undo(known); }, *op);
      }
      if (!stats_.failing) log::error("cannot write the log of calls: {}", written.error().message);
      stats_.failing = true;
      ++stats_.failed_batches;
    }
    answer_failure(batch, written.error());
    return false;
  }
  if (marks_) marks_->set_batch(state_.batch);
  next_number_.store(state_.next_number, std::memory_order_release);
  const WallTime now = clock_.wall_now();
  const std::lock_guard lock(mutex_);
  for (CallOp& op : batch) std::visit([this](auto& known) { show(known); }, op);
  if (stats_.failing) log::info("the log of calls can be written again");
  stats_.failing = false;
  ++stats_.batches;
  stats_.batch_operations += batch.size();
  const Duration took = clock_.now() - committing;
  stats_.commit_time += took;
  if (now - commit_max_since_ > commit_max_window) {
    commit_max_since_ = now;
    stats_.commit_time_max = {};
  }
  stats_.commit_time_max = std::max(stats_.commit_time_max, took);
  return true;
}

// Answers those that wait for an answer and takes them out of `batch`.
void LocalCallLog::answer_failure(std::vector<CallOp>& batch, const Error& error) {
  const Error said{Code::unavailable, "the call cannot be kept on the disk now: " + error.message,
                   Stage::queue};
  std::vector<CallOp> kept;
  for (CallOp& op : batch) {
    if (is_kept(op)) {
      kept.push_back(std::move(op));
      continue;
    }
    if (auto* const append = std::get_if<AppendOp>(&op)) {
      {
        const std::lock_guard lock(mutex_);
        queue_.give_up(append->head->call.owner, append->head->call.function);
      }
      if (!append->head->input.file.empty()) shelf_->erase_file(append->head->input.file);
      append->done(tl::unexpected(said));
    } else if (auto* const cancel = std::get_if<CancelOp>(&op)) {
      cancel->done(tl::unexpected(said));
    } else if (auto* const again = std::get_if<RedriveOp>(&op)) {
      again->done(tl::unexpected(said));
    } else if (auto* const purge = std::get_if<PurgeOp>(&op)) {
      purge->done(tl::unexpected(said));
    }
  }
  batch = std::move(kept);
}

void LocalCallLog::tell_end(std::uint64_t number, const EndedRow& ended) {
  if (ended.ending.state != State::failed && !ended.head.input.file.empty()) {
    shelf_->erase_file(ended.head.input.file);
  }
  if (listener_ == nullptr) return;
  const auto make = [this, number, &ended] { return ended_record(number, ended); };
  listener_->on_ended(id_of(number, ended.head.token), ended.head.call.function, ended.ending.state, make);
}

void LocalCallLog::tell(std::vector<CallOp>& batch) {
  if (listener_ != nullptr && std::exchange(made_ready_, false)) listener_->on_ready();
  if (listener_ != nullptr && std::exchange(made_callback_, false)) listener_->on_callback();
  for (CallOp& op : batch) {
    if (auto* const append = std::get_if<AppendOp>(&op)) {
      if (append->number == 0 && !append->head->input.file.empty()) {
        shelf_->erase_file(append->head->input.file);
      }
      append->done(std::move(append->result));
    } else if (auto* const end = std::get_if<CompleteOp>(&op)) {
      if (end->number == 0 || end->again) {
        for (const Body* const body : {&end->output, &end->log}) {
          if (!body->file.empty()) shelf_->erase_file(body->file);
        }
      }
      end->done(std::move(end->result));
      if (end->number != 0 && end->ended) tell_end(end->number, *end->ended);
    } else if (auto* const cancel = std::get_if<CancelOp>(&op)) {
      cancel->done(std::move(cancel->result));
      if (cancel->number != 0) tell_end(cancel->number, *cancel->ended);
    } else if (auto* const again = std::get_if<RedriveOp>(&op)) {
      again->done(std::move(again->result));
    } else if (auto* const purge = std::get_if<PurgeOp>(&op)) {
      for (const std::string& file : purge->files) shelf_->erase_file(file);
      purge->done(std::move(purge->result));
    }
  }
}

// Large bodies go to files here, so that they do not hold up the batches.
void LocalCallLog::run_files() {
  std::unique_lock lock(asked_mutex_);
  for (;;) {
    file_asked_.wait(lock, [this] { return !file_work_.empty() || stopping_; });
    if (file_work_.empty()) return;
    const auto work = std::move(file_work_.front());
    file_work_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace canopy::store
