// The start of a log: the waiting calls stand in line again, and those that were running when the last
// process ended are given back, or have used up their losses.

#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "store/call_log_local.h"

namespace canopy::store {

Result<std::unique_ptr<CallLog>> LocalCallLog::open(std::unique_ptr<CallShelf> shelf,
                                                    std::unique_ptr<CallMarks> marks, CallLogOptions options,
                                                    const Clock& clock) {
  auto log =
      std::unique_ptr<LocalCallLog>(new LocalCallLog(std::move(shelf), std::move(marks), options, clock));
  CANOPY_TRY_VOID(log->load());
  log->files_ = std::jthread([self = log.get()]() noexcept { self->run_files(); });
  log->writer_ = std::jthread([self = log.get()]() noexcept { self->run_writer(); });
  return std::unique_ptr<CallLog>(std::move(log));
}

Result<void> LocalCallLog::load() {
  std::unordered_map<std::uint64_t, CallMarks::Mark> marked;
  if (marks_) {
    for (const CallMarks::Mark& mark : marks_->left()) marked[mark.number] = mark;
    if (marks_->left_batch() > state_.batch) {
      stats_.lost_batches = marks_->left_batch() - state_.batch;
      log::error(
          "the log of calls has lost its end: {} batches that were acknowledged are missing from calls.db; "
          "restore it from a backup if their calls matter",
          stats_.lost_batches);
    }
  }
  const WallTime now = clock_.wall_now();
  std::vector<std::string> used_files;
  std::unordered_map<std::uint64_t, CallMarks::Mark> lost;
  const auto take = [&](std::uint64_t number, std::string_view row, std::string_view progress_row) {
    auto head = decode_head(number, row);
    if (!head) return count_damage(head.error());
    if (!head->input.file.empty()) used_files.push_back(head->input.file);
    if (const auto at = marked.find(number); at != marked.end()) {
      lost.insert(*at);
      return;
    }
    WallTime due{};
    if (!progress_row.empty()) {
      auto progress = decode_progress(number, progress_row);
      if (!progress) return count_damage(progress.error());
      due = progress->due;
      queue_.progress(number) = *std::move(progress);
    }
    queue_.add(head->call.owner, head->call.function,
               {.number = number, .queued = head->call.queued, .head = {}}, due, now, false);
  };
  CANOPY_TRY_VOID(shelf_->each_live(take));
  CANOPY_TRY_VOID(take_back(std::move(lost)));
  if (marks_) {
    marks_->begin();
    marks_->set_batch(state_.batch);
  }
  const auto take_callback = [&](std::uint64_t number, std::string_view row) {
    const auto callback = decode_callback(number, row);
    if (!callback) return count_damage(callback.error());
    if (callback->state.kind == CallbackState::Kind::waiting) callbacks_.plan(number, callback->state.due);
  };
  CANOPY_TRY_VOID(shelf_->each_callback(take_callback));
  CANOPY_TRY(stats_.dead_count, shelf_->dead_count());
  sweep_files(std::move(used_files));
  return {};
}

// Written at once: a crash while starting must count too.
Result<void> LocalCallLog::take_back(std::unordered_map<std::uint64_t, CallMarks::Mark> marked) {
  if (marked.empty()) return {};
  const WallTime now = clock_.wall_now();
  std::vector<std::pair<std::uint64_t, CompleteOp>> ops;
  CANOPY_TRY_VOID(shelf_->begin());
  for (const auto& [number, mark] : marked) {
    auto row = shelf_->read_own(number, Part::input);
    if (!row) {
      shelf_->rollback();
      return tl::unexpected(std::move(row).error());
    }
    if (!*row || (*row)->has_ended) continue;
    auto head = decode_head(number, (*row)->row);
    if (!head) continue;  // It was counted.
    head->call.id = id_of(number, head->token);
    head->call.input = std::move((*row)->body);
    Progress progress;
    if (!(*row)->progress.empty()) {
      if (auto decoded = decode_progress(number, (*row)->progress)) progress = *std::move(decoded);
    }
    const std::uint32_t attempt = std::max(progress.attempt + 1, mark.attempt);
    CompleteOp op{.lease = {head->call.id, attempt}, .outcome = {}, .done = {}};
    op.end = policy::AttemptEnd::lost;
    op.outcome.started = mark.started;
    op.outcome.ended = now;
    op.outcome.error = Error{Code::died, "the worker that ran it ended before the call did", Stage::run};
    if (auto settled = settle(op, number, *head, progress, attempt); !settled) {
      shelf_->rollback();
      return settled;
    }
    if (op.again) {
      queue_.add(head->call.owner, head->call.function,
                 {.number = number, .queued = head->call.queued, .head = {}}, op.again->due, now, false);
    }
    ops.emplace_back(number, std::move(op));
  }
  ++state_.batch;
  if (auto committed = shelf_->commit(state_); !committed) {
    shelf_->rollback();
    return committed;
  }
  for (auto& [number, op] : ops) {
    ++stats_.lost;
    if (op.again) {
      queue_.progress(number) = *std::move(op.again);
    } else {
      ++stats_.failed;
    }
  }
  log::info("{} calls were running when the last process ended; {} of them run again", marked.size(),
            marked.size() - stats_.failed);
  return {};
}

// Files that no call names were left by a process that ended between writing one and committing its call.
// Finding out takes a look at every call, so it is done beside.
void LocalCallLog::sweep_files(std::vector<std::string> used) {
  auto present = std::make_shared<std::unordered_set<std::string>>();
  shelf_->sweep_files([&present](const std::string& name) {
    present->insert(name);
    return true;
  });
  for (const std::string& name : used) present->erase(name);
  if (present->empty()) return;
  const auto work = [this, present] {
    constexpr std::size_t rows_at_once = 512;
    std::uint64_t below = next_number_.load(std::memory_order_acquire);
    for (bool more = true; more && !present->empty();) {
      const auto rows = shelf_->page(CallShelf::Which::ended, below, rows_at_once);
      if (!rows) return;
      for (const CallShelf::Numbered& row : *rows) {
        below = row.number;
        const auto ended = decode_ended(row.number, row.call.row);
        if (!ended) continue;
        for (const Body* const body : {&ended->head.input, &ended->ending.output, &ended->ending.log}) {
          present->erase(body->file);
        }
      }
      more = rows->size() == rows_at_once;
      const std::lock_guard lock(asked_mutex_);
      if (stopping_) return;
    }
    for (const std::string& name : *present) shelf_->erase_file(name);
    if (!present->empty()) log::info("removed {} files that belonged to no call", present->size());
  };
  file_work_.push_back(work);
}

Result<std::unique_ptr<CallLog>> open_call_log(const std::filesystem::path& folder, CallLogOptions options,
                                               const Clock& clock) {
  const std::filesystem::path marks_file = folder / "calls.marks";
  std::error_code ignored;
  if (std::filesystem::exists(marks_file, ignored) &&
      !std::filesystem::exists(folder / "calls.db", ignored)) {
    return fail(Code::refused,
                (folder / "calls.db").string() +
                    " is gone, though calls were kept in it; restore it from a backup, or remove " +
                    marks_file.string() + " to start without them");
  }
  CANOPY_TRY(auto shelf, open_sqlite_shelf(folder));
  CANOPY_TRY(auto marks, CallMarks::open(marks_file, options.leases_max));
  return LocalCallLog::open(std::move(shelf), std::move(marks), options, clock);
}

std::unique_ptr<CallLog> make_memory_call_log(CallLogOptions options, const Clock& clock) {
  auto log = LocalCallLog::open(make_memory_shelf(), nullptr, options, clock);
  return *std::move(log);
}

}  // namespace canopy::store
