#pragma once
// The durable calls: what was acknowledged is there after kill -9, runs until it has an end, and that end is
// recorded once.
//
//   append ─▶ QUEUED ─ lease ─▶ RUNNING ─ complete ─▶ COMPLETED | FAILED | CANCELLED ─ purge ─▶ forgotten
//                ▲                 │ failed, and may be tried again; lost
//                └─────────────────┘
//
// What is promised:
//   acknowledged is on disk   `done` of append(), complete(), cancel(), redrive() and forget() is called
//   after
//                             the fsync of the batch they went with. One writer, one transaction and one
//                             fsync a batch.
//   at least once             A call is run until one end of it is recorded. Who dies while running it gives
//                             it back: by the end of its lease, or at the next start of the log.
//   one end                   lease() numbers the attempts of a call, and the number is a fencing token: an
//                             end under any other number than that of the attempt under way is refused.
//   one call for a key        Calls of one owner and namespace with one idempotency key are one call, until
//                             its record is forgotten.
//   never a wrong record      Every row is sealed with a checksum over its content and its place. What does
//                             not fit its seal is reported, and neither served nor run.
//
// What is durable, and what need not be: an append, an end, a failed attempt with its error, a cancellation,
// a redrive. The start of an attempt is not written to the database: it is marked in a mapped file, which
// outlives the process (so a call that kills its process each time uses up its losses) though perhaps not the
// machine; after a power cut the number of an attempt may be used again, when nobody is left who had it.
//
// A full or failing disk: append() says `unavailable`, and works again when the disk does, by itself. Ends of
// attempts are kept in memory and written when they can be.
//
// Threads: all methods from any. append(), complete(), cancel(), redrive(), forget(), renew(), release(),
// owns(), restore() do
//          not wait for the disk; the others do, and are not for an I/O thread. `done` is called on a thread
//          of the log's, or at once, and must be quick.
// Life:    what waits when it dies is answered `unavailable`.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "model/durable.h"
#include "policy/retry.h"
#include "store/redis_address.h"

namespace canopy::store {

struct CallLogOptions {
  std::uint64_t waiting_max = 10'000'000;  // Calls that wait, over all functions.
  std::uint64_t waiting_per_function_max = 2'000'000;
  std::uint64_t waiting_per_owner_max = 5'000'000;
  std::size_t leases_max = 4096;  // Calls that run.
  std::size_t batch_count_max = 1024;
  std::size_t batch_bytes_max = 16 * MiB;
  std::size_t unwritten_bytes_max = 256 * MiB;    // What is on its way to the disk.
  std::size_t cached_input_bytes_max = 64 * MiB;  // Of waiting calls, so that they need not be read again.
  std::size_t inline_bytes_max = 64 * KiB;        // Larger inputs and outputs have a file each.
  std::size_t callbacks_sent_max = 16;            // On their way at once; nobody's take all of them.
  policy::RetryRule retry{};                      // Its retries_max is each call's own.
};

// What is left of an id in 96 bits: for protocols whose ids are no longer than that.
struct ShortId {
  std::uint32_t high = 0;  // The low half of the id's.
  std::uint64_t low = 0;
  auto operator<=>(const ShortId&) const = default;
};
inline ShortId shorten(CallId id) { return {.high = static_cast<std::uint32_t>(id.high), .low = id.low}; }

struct Lease {
  CallId id;
  std::uint32_t attempt = 0;  // The fencing token.
};

struct LeasedCall {
  std::shared_ptr<const DurableCall> call;
  std::uint32_t attempt = 1;
  Lease lease() const { return {call->id, attempt}; }
};

struct LeaseRequest {
  std::size_t count_max = 1;
  Time until{};  // When it is taken for lost, if it is not renewed.
  // How many calls of that function may run at once; empty: any number.
  std::function<std::uint32_t(const FunctionName& function)> concurrency;
};

struct Accepted {
  CallId id;
  bool existed = false;  // The idempotency key named it before.
};

// What cancel() found.
struct Cancelled {
  FunctionName function;
  bool was_running = false;  // Whoever runs it should be told: its end will be refused.
};

struct StoredResult {
  State state = State::queued;
  int status = 0;
  std::vector<Header> headers;
  std::string output;
  Usage usage;
  std::optional<Error> error;
};

struct StoredLog {
  State state = State::queued;
  std::string text;
  std::uint64_t dropped_bytes = 0;
};

struct DurableFilter {
  std::optional<FunctionName> function = {};
  std::optional<State> state = {};
  std::function<bool(const Record& record)> visible = {};  // Others are left out; empty: none are.
  WallTime since{};
  std::size_t limit = 100;
  std::optional<CallId> after = {};  // Continue below this one.
  std::size_t scan_max = 50'000;     // Rows that are looked at, at most.
};

struct DurablePage {
  std::vector<DurableRecord> records;  // The newest first.
  std::optional<CallId> next;          // Where to go on; nothing at the end.
};

// A callback that is due.
struct DueCallback {
  CallId id;
  std::string url;
  std::uint32_t attempt = 1;
  WallTime first_due{};  // When it was to be sent first.
  DurableRecord record;
  StoredResult result;
};

struct CallbackOutcome {
  CallbackState::Kind kind = CallbackState::Kind::delivered;
  WallTime next_due{};  // Where it waits on.
  int status = 0;
  std::string error;
};

struct CallLogStats {
  std::uint64_t waiting_count = 0;  // Those whose time to be tried again has not come included.
  std::uint64_t delayed_count = 0;  // Those.
  std::uint64_t running_count = 0;
  std::uint64_t dead_count = 0;  // Failed, and can be redriven.
  std::uint64_t callbacks_waiting = 0;
  WallTime oldest_queued{};    // Of those that wait and whose turn could be now; the epoch: none.
  std::uint64_t appended = 0;  // This and what follows: since the start.
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t retried = 0;
  std::uint64_t lost = 0;          // Attempts whose worker was lost.
  std::uint64_t refused_ends = 0;  // Late ends, under an old number.
  std::uint64_t batches = 0;
  std::uint64_t batch_operations = 0;
  std::uint64_t failed_batches = 0;
  Duration commit_time{};      // Of all batches: the transaction's end, with its fsync.
  Duration commit_time_max{};  // Of the last minute or so.
  std::uint64_t wal_bytes = 0;
  std::uint64_t purged = 0;
  std::uint64_t damaged = 0;       // Rows that did not fit their seal.
  std::uint64_t lost_batches = 0;  // Acknowledged, and missing when the log was opened: its tail was cut.
  bool failing = false;            // The last batch could not be written.
};

// Told on threads of the log's, after the fsync. Quick, and does not call the log.
class CallLogListener {
 public:
  virtual ~CallLogListener() = default;
  // Calls wait that did not before.
  virtual void on_ready() = 0;
  // A callback waits.
  virtual void on_callback() = 0;
  // A call has ended, as `state`. `make` says how; it costs something, and is valid only now.
  virtual void on_ended(CallId id, const FunctionName& function, State state,
                        const std::function<DurableRecord()>& make) = 0;
};

class CallLog {
 public:
  template <class T>
  using Done = std::function<void(Result<T> result)>;

  virtual ~CallLog() = default;

  // Before anything else; once. The listener outlives the log, or stop().
  virtual void listen(CallLogListener& listener) = 0;

  // Whether that could be a call of this log: so that nobody reads a disk for one that is not.
  virtual bool owns(CallId id) const = 0;
  // The id of which that is left, where it could be a call of this log: one of the last four billion.
  virtual std::optional<CallId> restore(ShortId id) const = 0;

  // Queues `call`; its id and time are given here.
  //   exhausted    as many wait as may; or too much is on its way to the disk
  //   conflict     its idempotency key names a call that asked for something else
  //   unavailable  the disk is full or failing; it may be asked again
  virtual void append(DurableCall call, Done<Accepted> done) = 0;

  // The calls whose turn it is, marked as running; none where nothing waits or nothing may run.
  virtual std::vector<LeasedCall> lease(const LeaseRequest& request) = 0;

  // False where that attempt is not under way any more.
  virtual bool renew(const Lease& lease, Time until) = 0;
  // Gives it back as if it had not been leased, to be leased again at `due` (the epoch: at once).
  virtual bool release(const Lease& lease, WallTime due) = 0;

  // Records how that attempt ended; or, where it failed and may be tried again, queues the call for later.
  //   conflict  another attempt is under way, or the call has an end already
  virtual void complete(const Lease& lease, Outcome outcome, Done<void> done) = 0;

  // Attempts whose lease is over are lost; calls whose time has come are ready. Returns when it is to be
  // called next.
  virtual Time sweep() = 0;

  //   not_found
  //   conflict     it has ended already
  //   unavailable  as append()
  virtual void cancel(CallId id, Done<Cancelled> done) = 0;

  // Queues a call that failed once more, with its budgets as they were at first. `owner_waiting_max` is as in
  // DurableCall.
  //   not_found, unavailable
  //   conflict     it did not fail
  //   exhausted    as many wait as may
  virtual void redrive(CallId id, std::optional<std::uint64_t> owner_waiting_max,
                       Done<FunctionName> done) = 0;

  // These three take as long for a call that there is not.
  //   not_found  there is no such call, or it is forgotten
  //   internal   its row is damaged
  virtual Result<DurableRecord> find(CallId id) = 0;
  virtual Result<StoredResult> result(CallId id) = 0;
  virtual Result<StoredLog> log(CallId id) = 0;
  //   not_found  the call that `after` names is forgotten
  virtual Result<DurablePage> list(const DurableFilter& filter) = 0;

  // Forgets a call before its time.
  //   not_found, unavailable
  //   conflict  it has not ended
  virtual void forget(CallId id, Done<void> done) = 0;

  // Callbacks that are due, the longest first, but for those of a user that has most of callbacks_sent_max on
  // their way; they are not given out again before `until`.
  virtual std::vector<DueCallback> lease_callbacks(std::size_t count_max, WallTime until) = 0;
  virtual void complete_callback(CallId id, CallbackOutcome outcome) = 0;

  // Forgets calls whose time to live has passed, at most `count_max`; returns how many. Call it again soon
  // where that is count_max.
  virtual Result<std::size_t> purge(std::size_t count_max) = 0;

  virtual CallLogStats stats() const = 0;

  // Writes what waits to be written, then refuses everything. The listener is not called any more.
  virtual void stop() = 0;
};

// Opens or makes calls.db and what belongs to it in `folder`, which its caller holds the lock of.
//   refused      a newer format, or a damaged file: named, kept as it is, and not started empty
//   unavailable  missing rights, read-only, full disk
Result<std::unique_ptr<CallLog>> open_call_log(const std::filesystem::path& folder, CallLogOptions options,
                                               const Clock& clock);

// The log that lies in a Redis, with all servers that name the same one; call_log_redis.h. Its promises hold
// for all of them together. What is different:
//   on disk      Redis has it in its append-only file: with `appendfsync always` it is synced when `done` is
//                called; with `everysec` a power cut of its machine, or kill -9 while its disk is late, may
//                cost the last two seconds. stats().lost_batches counts what is seen to be missing while this
//                server runs; there is no file that would know at the next start.
//   starts       of attempts are written too, and count even after a power cut.
//   a lost log   Its calls are given back when their leases end, not at its next start.
//   turns        are taken in order, of equal weight, over all servers; behind 32 owners, or 32 functions of
//                one, that may run nothing now, the next is looked at another time.
//   leases_max   is for each server that takes calls; what a function may run at once is over all of them.
//   large bodies lie in Redis with the rest, whatever inline_bytes_max says: servers share no disk.
//   stats()      of what waits and runs are over all servers, and up to a second old; the others this one's.
//   full, or failing   is also: away. Leases are renewed when it is there again, before any is taken for
//   lost.
//
//   unavailable  it cannot be reached, or is a replica
//   refused      too old, without an append-only file, with an eviction policy, or with calls of another
//   format unauthorized the password is wrong
Result<std::unique_ptr<CallLog>> open_redis_call_log(const RedisAddress& address, CallLogOptions options,
                                                     const Clock& clock);

// The same promises but for the disk; for tests.
std::unique_ptr<CallLog> make_memory_call_log(CallLogOptions options, const Clock& clock);

}  // namespace canopy::store
