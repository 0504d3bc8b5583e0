// The rows in SQLite: calls.db, a database of its own, so that its fsyncs are its own; and a folder `calls`
// with a file for each large input and output.
//
// One connection writes; two others read what was committed, so that looking something up never waits for a
// commit. Rows of waiting calls and of ended ones lie in tables of their own, each by the call's number: both
// grow at their end, so a batch touches few pages however many calls there are. Moving the write-ahead log
// into the file is done beside the writer, by a thread of its own (CheckpointThread).

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "store/call_log_shelf.h"
#include "store/call_log_tables.h"
#include "store/disk.h"
#include "store/sqlite.h"

namespace canopy::store {
namespace {

// Small: a write-ahead log that does not grow is synced faster than one that does.
constexpr std::uint64_t checkpoint_bytes = 4 * MiB;
constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t full_check_bytes_max = 8 * MiB;
const char* const file_name = "calls.db";
const char* const folder_name = "calls";

// A connection that only reads.
class ReadSide {
 public:
  static Result<std::unique_ptr<ReadSide>> open(const std::filesystem::path& path) {
    CANOPY_TRY(Database database, Database::open(path));
    CANOPY_TRY_VOID(database.execute("PRAGMA query_only = ON; PRAGMA cache_size = -8192"));
    auto side = std::unique_ptr<ReadSide>(new ReadSide(std::move(database)));
    CANOPY_TRY(side->tables, CallTables::prepare(side->database));
    return side;
  }

  std::mutex mutex;
  Database database;  // This and the rest: guarded by mutex.
  std::optional<CallTables> tables;

 private:
  explicit ReadSide(Database opened) : database(std::move(opened)) {}
};

// Moves what the write-ahead log holds into the file, while the writer goes on. Where the writer never rests
// there is always a little left; so when that is little, the writer moves the rest itself, and the log begins
// anew.
class CheckpointThread {
 public:
  explicit CheckpointThread(Database database) : database_(std::move(database)), thread_([this] { run(); }) {}
  ~CheckpointThread() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
  }

  void ask() {
    {
      const std::lock_guard lock(mutex_);
      if (asked_ || nearly_done_) return;
      asked_ = true;
    }
    changed_.notify_all();
  }
  // Whether the writer shall move the rest; once.
  bool take_nearly_done() {
    const std::lock_guard lock(mutex_);
    return std::exchange(nearly_done_, false);
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return asked_ || stopping_; });
      if (stopping_) return;
      lock.unlock();
      if (const auto done = database_.execute("PRAGMA wal_checkpoint(PASSIVE)"); !done) {
        log::warn("cannot move the log of calls into its file: {}", done.error().message);
      }
      lock.lock();
      asked_ = false;
      nearly_done_ = true;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;  // This and the next two: guarded by mutex_.
  bool nearly_done_ = false;
  bool stopping_ = false;
  Database database_;  // The thread's.
  std::jthread thread_;
};

class SqliteShelf final : public CallShelf {
 public:
  static Result<std::unique_ptr<CallShelf>> open(const std::filesystem::path& path) {
    CANOPY_TRY(const Folder folder, Folder::open_or_make(path));
    CANOPY_TRY(Folder files, folder.child(folder_name, Folder::Missing::make));
    CANOPY_TRY(const auto facts, folder.look(file_name));
    if (!facts) {
      CANOPY_TRY_VOID(folder.write_new(file_name, {.content = {}, .mode = 0600, .changed = {}}));
      CANOPY_TRY_VOID(folder.sync());
    }
    const std::filesystem::path file = folder.path() / file_name;
    CANOPY_TRY(Database writer, Database::open(file));
    auto shelf = std::unique_ptr<SqliteShelf>(new SqliteShelf(std::move(writer), std::move(files)));
    CANOPY_TRY_VOID(shelf->set_up(file, facts ? facts->size_bytes : 0));
    return std::unique_ptr<CallShelf>(std::move(shelf));
  }

  ShelfState state() const override { return state_; }

  Result<void> begin() override {
    if (checkpoint_->take_nearly_done()) {
      if (const auto done = writer_.execute("PRAGMA wal_checkpoint(PASSIVE)"); !done) {
        log::warn("cannot move the log of calls into its file: {}", done.error().message);
      }
    }
    CANOPY_TRY(Transaction transaction, Transaction::begin(writer_));
    transaction_.emplace(std::move(transaction));
    return {};
  }
  Result<void> commit(const ShelfState& state) override {
    CANOPY_TRY_VOID(tables_->put_state(state));
    CANOPY_TRY_VOID(transaction_->commit());
    transaction_.reset();
    state_ = state;
    look_at_wal();
    return {};
  }
  void rollback() override { transaction_.reset(); }

  Result<void> put_live(std::uint64_t number, std::string_view head, std::string_view input) override {
    return tables_->put_live(number, head, input);
  }
  Result<void> put_progress(std::uint64_t number, std::string_view progress) override {
    return tables_->put_progress(number, progress);
  }
  Result<bool> erase_live(std::uint64_t number) override { return tables_->erase_live(number); }
  Result<void> put_ended(const NewEnded& call) override { return tables_->put_ended(call); }
  Result<void> erase_ended(std::uint64_t number, std::int64_t expires_minute) override {
    return tables_->erase_ended(number, expires_minute);
  }
  Result<void> put_key(std::string_view digest, std::string_view value) override {
    return tables_->put_key(digest, value);
  }
  Result<std::optional<std::string>> key(std::string_view digest) override { return tables_->key(digest); }
  Result<void> erase_key(std::string_view digest) override { return tables_->erase_key(digest); }
  Result<void> put_callback(std::uint64_t number, std::string_view row) override {
    return tables_->put_callback(number, row);
  }
  Result<void> erase_callback(std::uint64_t number) override { return tables_->erase_callback(number); }
  Result<std::optional<ShelvedCall>> read_own(std::uint64_t number, Part part) override {
    return tables_->read(number, part);
  }
  Result<std::vector<std::pair<std::int64_t, std::uint64_t>>> expired(std::int64_t minute,
                                                                      std::size_t count_max) override {
    return tables_->expired(minute, count_max);
  }

  Result<std::optional<ShelvedCall>> read(std::uint64_t number, Part part) override {
    ReadSide& side = part == Part::input ? *dispatch_ : *reader_;
    const std::lock_guard lock(side.mutex);
    return side.tables->read(number, part);
  }
  Result<std::optional<std::string>> read_callback(std::uint64_t number) override {
    const std::lock_guard lock(reader_->mutex);
    return reader_->tables->callback(number);
  }
  Result<std::vector<Numbered>> page(Which which, std::uint64_t below, std::size_t count_max) override {
    const std::lock_guard lock(reader_->mutex);
    return reader_->tables->page(which, below, count_max);
  }
  Result<void> each_live(const VisitLive& visit) override {
    const std::lock_guard lock(reader_->mutex);
    return reader_->tables->each_live(visit);
  }
  Result<void> each_callback(
      const std::function<void(std::uint64_t number, std::string_view row)>& visit) override {
    const std::lock_guard lock(reader_->mutex);
    return reader_->tables->each_callback(visit);
  }
  Result<std::uint64_t> dead_count() override {
    const std::lock_guard lock(reader_->mutex);
    return reader_->tables->dead_count();
  }
  std::uint64_t wal_bytes() const override { return wal_bytes_.load(std::memory_order_relaxed); }

  Result<void> put_file(const std::string& name, std::string_view bytes) override {
    CANOPY_TRY_VOID(files_.write_new(name, {.content = bytes, .mode = 0600, .changed = {}}));
    return files_.sync();
  }
  Result<std::string> read_file(const std::string& name, std::uint64_t size) override {
    CANOPY_TRY(auto bytes, files_.read(name, size));
    if (!bytes)
      return fail(Code::internal, (files_.path() / name).string() + " is missing: it was part of a call");
    return *std::move(bytes);
  }
  void erase_file(const std::string& name) override {
    if (const auto done = files_.remove(name); !done) log::warn("{}", done.error().message);
  }
  void sweep_files(const std::function<bool(const std::string& name)>& keep) override {
    const auto names = files_.names();
    if (!names) return log::warn("{}", names.error().message);
    for (const std::string& name : *names) {
      if (!keep(name)) erase_file(name);
    }
  }

 private:
  SqliteShelf(Database writer, Folder files) : writer_(std::move(writer)), files_(std::move(files)) {}

  Result<void> set_up(const std::filesystem::path& file, std::uint64_t size_bytes) {
    CANOPY_TRY_VOID(writer_.execute("PRAGMA page_size = 4096; PRAGMA cell_size_check = ON"));
    if (size_bytes > 0 && size_bytes <= full_check_bytes_max) {
      CANOPY_TRY(const std::string found, writer_.text("PRAGMA quick_check(1)"));
      if (found != "ok") {
        return fail(Code::refused, file.string() + " is damaged (" + log_safe(found, 200) +
                                       "); the file is kept as it is: restore it from a backup, or move it "
                                       "away with calls.db-wal to start without its calls");
      }
    }
    CANOPY_TRY_VOID(
        writer_.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; "
                        "PRAGMA journal_size_limit = 134217728"));
    CANOPY_TRY(state_, make_call_tables(writer_, file));
    writer_.count_wal_pages();
    CANOPY_TRY(tables_, CallTables::prepare(writer_));
    CANOPY_TRY(reader_, ReadSide::open(file));
    CANOPY_TRY(dispatch_, ReadSide::open(file));
    CANOPY_TRY(Database mover, Database::open(file));
    CANOPY_TRY_VOID(mover.execute("PRAGMA synchronous = FULL"));
    checkpoint_ = std::make_unique<CheckpointThread>(std::move(mover));
    return {};
  }

  void look_at_wal() {
    wal_bytes_.store(writer_.wal_pages() * page_bytes, std::memory_order_relaxed);
    if (writer_.wal_pages() * page_bytes >= checkpoint_bytes) checkpoint_->ask();
  }

  Database writer_;
  std::optional<CallTables> tables_;
  std::optional<Transaction> transaction_;
  const Folder files_;
  ShelfState state_;
  std::unique_ptr<ReadSide> reader_;
  std::unique_ptr<ReadSide> dispatch_;  // For leases alone.
  std::unique_ptr<CheckpointThread> checkpoint_;
  std::atomic<std::uint64_t> wal_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<CallShelf>> open_sqlite_shelf(const std::filesystem::path& folder) {
  return SqliteShelf::open(folder);
}

}  // namespace canopy::store
