#pragma once
// A call log in Redis, which several servers share: what call_log.h promises holds for all of them together,
// and any of them, or Redis, may die at any time.
//
// All that changes goes through one thread, the writer, as what the scripts of redis_scripts.h do: it takes
// what was asked for meanwhile, sends it as one pipeline, and answers when Redis has, which with
// `appendfsync always` is after its fsync. Looking things up has connections of its own. Another thread hears
// what the other servers tell: calls that wait, callbacks, ends.
//
// Where Redis does not answer, what somebody waits for is answered `unavailable`; ends of attempts and calls
// that were given back are kept, and sent until Redis has said that they are written. Sending one twice does
// no harm: it carries a nonce.
//
// Threads: as CallLog.

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <variant>

#include "base/descriptor.h"
#include "base/id.h"
#include "store/call_log.h"
#include "store/call_log_ends.h"
#include "store/redis_link.h"

namespace canopy::store {

class RedisCallLog final : public CallLog {
 public:
  static Result<std::unique_ptr<CallLog>> open(RedisAddress address, CallLogOptions options,
                                               const Clock& clock);
  ~RedisCallLog() override;

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
  void forget(CallId id, Done<void> done) override;
  std::vector<DueCallback> lease_callbacks(std::size_t count_max, WallTime until) override;
  void complete_callback(CallId id, CallbackOutcome outcome) override;
  Result<std::size_t> purge(std::size_t count_max) override;
  CallLogStats stats() const override;
  void stop() override;

 private:
  using Words = std::vector<std::string>;
  template <class Reply>
  using Answer = std::function<void(Result<Reply> reply)>;

  // What is asked of the writer. Several that are grouped go with one script.
  struct AppendOp {
    static constexpr bool is_grouped = true;
    std::shared_ptr<const CallHead> head;  // Without its input.
    std::string request{};                 // Its digest; "" where it has no key.
    std::optional<std::uint64_t> quota{};
    Words words{};
    Done<Accepted> done;
    Result<Accepted> result = Accepted{};
    bool answered = false;
  };
  struct EndOp {
    static constexpr bool is_grouped = true;
    Lease lease;
    std::uint64_t number = 0;
    policy::AttemptEnd end = policy::AttemptEnd::failed;
    Settled settled;
    Words words;
    Done<void> done;
    Result<void> result{};
    bool recorded = false;
    bool alone = false;  // It goes with no others: with them something was wrong.
    bool answered = false;
  };
  // What has to be read before it is known what to write.
  struct ChangeOp {
    enum class Kind : std::uint8_t { cancel, redrive };
    static constexpr bool is_grouped = false;
    Kind kind = Kind::cancel;
    CallId id;
    std::uint64_t number = 0;
    std::optional<std::uint64_t> owner_waiting_max{};
    Done<Cancelled> cancelled{};
    Done<FunctionName> redriven{};
    Words words{};  // Empty: nothing is to be written.
    std::optional<EndedRow> ended{};
    Result<Cancelled> result = Cancelled{};
    int tries = 0;
    bool answered = false;
  };
  // A script as it is. One that is kept is sent until it is answered, else it fails with the batch.
  struct ScriptOp {
    static constexpr bool is_grouped = false;
    Script script = Script::counts;
    Words words;
    bool kept = false;
    Answer<RedisReply> done;
    Result<RedisReply> result = RedisReply{};
    bool answered = false;
  };
  using Op = std::variant<EndOp, AppendOp, ChangeOp, ScriptOp>;

  // An attempt that this server runs.
  struct Held {
    std::shared_ptr<const CallHead> head{};
    Progress progress{};
    std::uint32_t attempt = 0;
    Time until = never;
    WallTime started{};
    bool settling = false;
    bool lost = false;
  };

  // The commands of a batch, and which of its operations each carries; the last carries none.
  struct Pipeline {
    std::vector<RedisCommand> commands{};
    std::vector<std::vector<std::size_t>> carried{};
  };

  // A call as it lies in Redis.
  struct Row {
    std::uint64_t number = 0;
    std::uint64_t token = 0;
    char state = 0;
    std::uint32_t attempt = 0;
    WallTime since{};
    std::string head;
    std::string progress;
    std::string ended;
    std::string callback;
    std::string body;
  };

  RedisCallLog(RedisAddress address, CallLogOptions options, const Clock& clock);

  // Ids and numbers.
  CallId id_of(std::uint64_t number, std::uint64_t token) const;
  std::optional<std::uint64_t> number_of(CallId id) const;
  std::uint64_t last_number() const;
  void saw_number(std::uint64_t number);

  // Connections.
  Result<void> greet(RedisConnection& connection, bool first);
  RedisCommand command(Script script, const Words& words) const;
  Result<RedisReply> read(RedisCommand command);
  std::string wall(Time until) const;

  // Asking the writer.
  Result<void> push(Op op);
  static std::size_t bytes_of(const Op& op);  // What it has of unwritten_bytes_ until it is taken.
  void keep(Script script, Words words, Answer<RedisReply> done);
  Result<RedisReply> ask(Script script, Words words);

  // The writer's thread.
  void run_writer();
  bool take_batch(std::vector<Op>& batch, std::size_t& bytes, Duration pause);
  bool write(std::vector<Op>& batch);
  void renew_all(std::vector<Op>& batch);
  Result<void> read_before(std::vector<Op>& batch);
  void plan_change(ChangeOp& op, const Row& row);
  void plan_cancel(ChangeOp& op, const Row& row);
  void plan_redrive(ChangeOp& op, const Row& row);
  Pipeline make_pipeline(const std::vector<Op>& batch) const;
  Words limit_words() const;
  Error limit_error(std::int64_t which, const FunctionName& function,
                    std::optional<std::uint64_t> quota) const;
  std::optional<Error> take_replies(std::vector<Op>& batch, const Pipeline& pipeline,
                                    const std::vector<RedisReply>& replies);
  void take_reply(AppendOp& op, const RedisReply& reply);
  void take_reply(EndOp& op, const RedisReply& reply);
  void take_reply(ChangeOp& op, const RedisReply& reply);
  void take_reply(ScriptOp& op, const RedisReply& reply);
  void take_counts(const RedisReply& reply);
  void count_end(const EndedRow& ended);
  void answer_failure(std::vector<Op>& batch, const Error& error);
  static void answer(ChangeOp& op);
  void tell(std::vector<Op>& batch);
  void tell_end(CallId id, const EndedRow& ended);

  // Leasing.
  std::optional<LeasedCall> take_leased(const RedisReply& taken, const LeaseRequest& request, WallTime now);
  Words lease_words(const LeaseRequest& request, std::size_t count, WallTime now);
  void learn_functions(const RedisReply& names);
  void settle_lost(const RedisReply& lost, WallTime now, const std::string& guard);
  void forget_held(Time now);
  Result<void> push_end(std::uint64_t number, const Held& held, const AttemptEnded& how, Outcome outcome,
                        Done<void> done, const std::string& guard);

  // Reading.
  Result<Row> read_row(CallId id, std::string_view body_field);
  static Row row_of(std::uint64_t number, const RedisReply& fields, std::size_t first);
  Result<DurableRecord> record_of(const Row& row);
  Result<EndedRow> ended_of(CallId id, const Row& row);
  bool fits(const DurableFilter& filter, const DurableRecord& record) const;
  void count_damage(const Error& error);
  double random();

  // What others tell.
  Result<void> subscribe();
  void run_news();
  void hear(const std::string& message);
  void hear_ends(std::string_view lines);

  const CallLogOptions options_;
  const Clock& clock_;
  std::string from_;     // Who this server is among the others.
  std::string channel_;  // Where they tell each other.
  std::uint64_t id_key_ = 0;
  std::atomic<CallLogListener*> listener_ = nullptr;
  std::atomic<std::uint64_t> last_number_ = 0;
  std::atomic<std::uint64_t> nonce_;

  RedisLink writer_link_;         // The writer's, and the next three.
  std::uint64_t generation_ = 0;  // Of its connections.
  bool made_ready_ = false;
  bool made_callback_ = false;

  struct ReadSide {
    explicit ReadSide(RedisAddress address, RedisLink::Greet greet)
        : link(std::move(address), std::move(greet)) {}
    std::mutex mutex;
    RedisLink link;  // Guarded by mutex.
  };
  static constexpr std::size_t read_side_count = 4;
  std::array<std::unique_ptr<ReadSide>, read_side_count> read_sides_;
  std::atomic<std::size_t> next_side_ = 0;

  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Held> held_;  // By number. This and what follows: guarded by mutex_.
  std::unordered_map<std::uint64_t, CallbackRow> callbacks_;  // On their way from here, by token.
  std::vector<FunctionName> leased_functions_;                // Of late: their limits go with each lease.
  CallLogStats stats_;
  std::uint64_t ready_count_ = 0;
  WallTime commit_max_since_{};
  Time lost_after_{};  // Nothing is taken for lost before: who runs it may not have been able to say so.
  std::mt19937_64 random_;
  IdSource tokens_;

  std::mutex asked_mutex_;
  std::condition_variable asked_;
  std::deque<Op> ops_;  // This and what follows: guarded by asked_mutex_.
  std::size_t unwritten_bytes_ = 0;
  bool stopping_ = false;

  RedisLink news_link_;  // The news thread's, once open() has subscribed.
  Descriptor stop_news_;
  std::jthread writer_;
  std::jthread news_;
};

}  // namespace canopy::store
