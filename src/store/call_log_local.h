#pragma once
// A call log of one process: the lines in memory (CallQueue), the rows on a shelf (CallShelf), and between
// them the writer, which takes what was asked for meanwhile, writes it in one transaction, and only then lets
// it be seen and answered.
//
// Threads: as CallLog. mutex_ is never held while anything waits for the disk; the shelf's writing side
//          belongs to the writer's thread.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <unordered_map>
#include <variant>

#include "base/id.h"
#include "store/call_log.h"
#include "store/call_log_marks.h"
#include "store/call_log_queue.h"
#include "store/call_log_rows.h"
#include "store/call_log_shelf.h"
#include "store/callback_line.h"

namespace canopy::store {

inline constexpr std::uint64_t operation_bytes = 512;  // What one takes of memory beside its content.

// What is asked of the writer. Each has what it needs to be seen after the commit, or undone without one.
struct AppendOp {
  std::shared_ptr<CallHead> head;
  CallLog::Done<Accepted> done;
  Result<Accepted> result = Accepted{};
  std::uint64_t number = 0;  // 0: nothing was appended.
};
struct CompleteOp {
  Lease lease;
  Outcome outcome;
  CallLog::Done<void> done;
  Body output{};
  Body log{};
  policy::AttemptEnd end = policy::AttemptEnd::failed;
  bool is_final = false;  // It is not tried again whatever the budgets say.
  Result<void> result{};
  std::uint64_t number = 0;         // 0: it was refused.
  std::optional<Progress> again{};  // It waits again.
  std::optional<EndedRow> ended{};  // It has an end.
};
struct CancelOp {
  CallId id;
  CallLog::Done<Cancelled> done;
  Result<Cancelled> result = Cancelled{};
  std::uint64_t number = 0;
  std::optional<EndedRow> ended{};
};
struct RedriveOp {
  CallId id;
  std::optional<std::uint64_t> owner_waiting_max;
  CallLog::Done<FunctionName> done;
  Result<FunctionName> result = FunctionName{};
  std::uint64_t number = 0;
  CallHead head{};
  Progress progress{};
};
struct CallbackOp {
  std::uint64_t number = 0;
  CallbackRow row;
};
struct PurgeOp {
  std::size_t count_max = 0;
  std::optional<CallId> only{};  // That one, and before its time.
  CallLog::Done<std::size_t> done;
  Result<std::size_t> result = 0;
  std::vector<std::uint64_t> numbers{};
  std::vector<std::string> files{};
  std::uint64_t dead_count = 0;
};
using CallOp = std::variant<AppendOp, CompleteOp, CancelOp, RedriveOp, CallbackOp, PurgeOp>;

class LocalCallLog final : public CallLog {
 public:
  // Takes what the shelf and the marks say, before anybody else sees either. `marks` may be null.
  //   unavailable, refused  as open_call_log()
  static Result<std::unique_ptr<CallLog>> open(std::unique_ptr<CallShelf> shelf,
                                               std::unique_ptr<CallMarks> marks, CallLogOptions options,
                                               const Clock& clock);
  ~LocalCallLog() override;

  void listen(CallLogListener& listener) override;
  bool owns(CallId id) const override;
  std::optional<CallId> restore(ShortId id) const override;
  void append(DurableCall call, Done<Accepted> done) override;
  std::vector<LeasedCall> lease(const LeaseRequest& request) override;
  bool renew(const Lease& lease, Time until) override;
  bool release(const Lease& lease, WallTime due) override;
  void complete(const Lease& lease, Outcome outcome, Done<void> done) override;
  Time sweep() override;
  void cancel(CallId id, Done<Cancelled> done) override;
  void redrive(CallId id, std::optional<std::uint64_t> owner_waiting_max, Done<FunctionName> done) override;
  Result<DurableRecord> find(CallId id) override;
  Result<StoredResult> result(CallId id) override;
  Result<StoredLog> log(CallId id) override;
  Result<DurablePage> list(const DurableFilter& filter) override;
  std::vector<DueCallback> lease_callbacks(std::size_t count_max, WallTime until) override;
  void complete_callback(CallId id, CallbackOutcome outcome) override;
  Result<std::size_t> purge(std::size_t count_max) override;
  void forget(CallId id, Done<void> done) override;
  CallLogStats stats() const override;
  void stop() override;

 private:
  LocalCallLog(std::unique_ptr<CallShelf> shelf, std::unique_ptr<CallMarks> marks, CallLogOptions options,
               const Clock& clock);

  // Ids and numbers.
  CallId id_of(std::uint64_t number, std::uint64_t token) const;
  std::optional<std::uint64_t> number_of(CallId id) const;

  // At the start.
  Result<void> load();
  Result<void> take_back(std::unordered_map<std::uint64_t, CallMarks::Mark> marked);
  void sweep_files(std::vector<std::string> used);

  // Asking the writer. False where it has stopped, or has too much to do.
  Result<void> push(CallOp op, std::size_t bytes);
  void write_beside(std::function<void()> work);
  bool store_bodies(CompleteOp& op);

  // The writer's thread.
  void run_writer();
  void run_files();
  bool write(std::vector<CallOp>& batch);
  Result<void> apply(AppendOp& op);
  Result<void> apply(CompleteOp& op);
  Result<void> apply(CancelOp& op);
  Result<void> apply(RedriveOp& op);
  Result<void> apply(CallbackOp& op);
  Result<void> apply(PurgeOp& op);
  Result<std::optional<std::int64_t>> find_ended(CallId id, std::uint64_t number);
  Result<void> end_call(std::uint64_t number, const EndedRow& ended, std::string_view input);
  Result<void> settle(CompleteOp& op, std::uint64_t number, const CallHead& head, const Progress& before,
                      std::uint32_t attempt);
  void show(AppendOp& op);
  void show(CompleteOp& op);
  void show(CancelOp& op);
  void show(RedriveOp& op);
  void show(CallbackOp& op);
  void show(PurgeOp& op);
  void show_end(std::uint64_t number, const EndedRow& ended);
  void undo(AppendOp& op);
  void undo(CompleteOp& op);
  void undo(CancelOp& op);
  void undo(RedriveOp& op);
  void undo(CallbackOp&) {}
  void undo(PurgeOp&) {}
  void answer_failure(std::vector<CallOp>& batch, const Error& error);
  void tell(std::vector<CallOp>& batch);
  void tell_end(std::uint64_t number, const EndedRow& ended);

  // Reading.
  Result<std::shared_ptr<CallHead>> read_head(std::uint64_t number);
  std::optional<DueCallback> read_callback(std::uint64_t number, CallbackLine::Payer& payer, WallTime& since);
  static CallbackLine::Payer payer_of(const DurableCall& call);
  Result<std::string> read_body(std::uint64_t number, const Body& body, std::string inline_bytes);
  Result<DurableRecord> make_record(std::uint64_t number, const ShelvedCall& call);
  DurableRecord ended_record(std::uint64_t number, const EndedRow& ended) const;
  Result<ShelvedCall> read_known(CallId id, Part part, std::uint64_t& number);
  bool fits(const DurableFilter& filter, const DurableRecord& record) const;
  void count_damage(const Error& error);
  double random();

  const CallLogOptions options_;
  const Clock& clock_;
  const std::unique_ptr<CallShelf> shelf_;
  const std::unique_ptr<CallMarks> marks_;  // Null: none are kept. Its slots: guarded by mutex_.
  std::uint64_t id_key_ = 0;
  CallLogListener* listener_ = nullptr;
  std::atomic<std::uint64_t> next_number_ = 1;

  ShelfState state_;            // The writer's.
  IdSource tokens_;             // The writer's.
  bool made_ready_ = false;     // The writer's: since the last tell().
  bool made_callback_ = false;  // The same.

  mutable std::mutex mutex_;
  CallQueue queue_;         // This and what follows: guarded by mutex_.
  CallbackLine callbacks_;  // Those that wait.
  CallLogStats stats_;
  WallTime commit_max_since_{};
  std::mt19937_64 random_;

  std::mutex asked_mutex_;
  std::condition_variable asked_;
  std::vector<CallOp> ops_;  // This and what follows: guarded by asked_mutex_.
  std::size_t unwritten_bytes_ = 0;
  std::deque<std::function<void()>> file_work_;
  bool file_waits_ = false;  // What its thread writes is refused by the disk, and tried again.
  std::condition_variable file_asked_;
  std::size_t file_busy_ = 0;
  bool stopping_ = false;
  bool files_done_ = false;

  std::jthread files_;
  std::jthread writer_;
};

}  // namespace canopy::store
