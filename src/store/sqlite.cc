#include "store/sqlite.h"

#include <system_error>

#include <sqlite3.h>

#include "base/check.h"
#include "base/units.h"
#include "store/sqlite_changes.h"

namespace canopy::store {
namespace {

constexpr int busy_wait_ms = 5000;  // For an administrator's own tool that reads or backs up the file.

struct Meaning {
  Code code;
  std::string_view advice;
};

Meaning meaning(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
      return {Code::unavailable, "; free some space there"};
    case SQLITE_IOERR:
      return {Code::unavailable, "; look for a full or failing disk"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return {Code::unavailable, "; the file must be there, no symbolic link, and writable like its folder"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Code::unavailable, "; end the other program that has it open"};
    case SQLITE_NOMEM:
      return {Code::unavailable, ""};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Code::refused, "; the file is kept as it is: restore it from a backup"};
    default:
      return {Code::internal, ""};
  }
}

Error sqlite_error(sqlite3* connection, int sqlite_code, std::string file = {}) {
  const char* const own_name = connection == nullptr ? nullptr : sqlite3_db_filename(connection, "main");
  if (file.empty() && own_name != nullptr) file = own_name;
  std::string what = sqlite3_errstr(sqlite_code);
  // The connection's own words say more, where they are of this error.
  if (connection != nullptr && sqlite3_extended_errcode(connection) == sqlite_code) {
    what = sqlite3_errmsg(connection);
    const int system_error = sqlite3_system_errno(connection);
    const int kind = sqlite_code & 0xff;
    if (system_error != 0 && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN)) {
      what += " (" + std::generic_category().message(system_error) + ")";
    }
  }
  const Meaning found = meaning(sqlite_code);
  std::string message = std::move(file);
  message.append(": ").append(what).append(found.advice);
  return Error{.code = found.code, .message = std::move(message)};
}

// A file is data: nothing written in it may call functions or bend the schema.
void distrust(sqlite3* raw) {
  sqlite3_limit(raw, SQLITE_LIMIT_LENGTH,
                static_cast<int>(64 * MiB));  // No damaged size makes us ask for more.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::keep(int code) {
  if (code != SQLITE_OK && !failed_) failed_ = code;
}

Statement& Statement::bind(std::int64_t value) {
  keep(sqlite3_bind_int64(statement_.get(), next_parameter_++, value));
  return *this;
}

// SQLite takes a null pointer for NULL, and an empty view may have one.
Statement& Statement::bind(std::string_view text) {
  keep(sqlite3_bind_text64(statement_.get(), next_parameter_++, text.empty() ? "" : text.data(), text.size(),
                           SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  keep(sqlite3_bind_blob64(statement_.get(), next_parameter_++, bytes.empty() ? "" : bytes.data(),
                           bytes.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null() {
  keep(sqlite3_bind_null(statement_.get(), next_parameter_++));
  return *this;
}

Result<bool> Statement::step() {
  const int code = failed_ ? *failed_ : sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = sqlite_error(sqlite3_db_handle(statement_.get()), code);
  reset();
  return tl::unexpected(std::move(error));
}

Result<void> Statement::run() {
  for (;;) {
    CANOPY_TRY(const bool row, step());
    if (!row) break;
  }
  reset();
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());  // It repeats the error of the last step(), which was told then.
  sqlite3_clear_bindings(statement_.get());
  next_parameter_ = 1;
  failed_.reset();
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

Result<Database> Database::open(const std::filesystem::path& file) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      file.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(raw, code, file.string()));
  // Where it may not write, SQLite quietly opens for reading.
  if (database.is_read_only()) return tl::unexpected(sqlite_error(raw, SQLITE_READONLY, file.string()));
  sqlite3_busy_timeout(raw, busy_wait_ms);
  distrust(raw);
  return database;
}

Result<Database> Database::open_in_memory() {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      ":memory:", &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(raw, code, "a database in memory"));
  distrust(raw);
  return database;
}
Result<void> Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(connection_.get(), code));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code =
      sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(connection_.get(), code));
  return Statement(raw);
}

Result<std::int64_t> Database::number(std::string_view sql) {
  CANOPY_TRY(Statement statement, prepare(sql));
  CANOPY_TRY(const bool row, statement.step());
  return row ? statement.number(0) : 0;
}

Result<std::string> Database::text(std::string_view sql) {
  CANOPY_TRY(Statement statement, prepare(sql));
  CANOPY_TRY(const bool row, statement.step());
  return row ? statement.text(0) : std::string();
}

bool Database::is_read_only() const { return sqlite3_db_readonly(connection_.get(), "main") != 0; }

void Database::count_wal_pages() {
  wal_pages_ = std::make_unique<std::uint64_t>(0);
  const auto count = [](void* to, sqlite3* /*connection*/, const char* /*name*/, int pages) {
    *static_cast<std::uint64_t*>(to) = static_cast<std::uint64_t>(pages);
    return SQLITE_OK;
  };
  sqlite3_wal_hook(connection_.get(), count, wal_pages_.get());
}

void Database::set_checkpoint_on_close(bool on) {
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, nullptr);
}

// What an earlier process left in the write-ahead log may be in memory alone: Linux takes pages for clean
// after an fsync of them failed. What is written behind them would be lost with them in a power cut. Moved
// into the file they are written, and synced, anew.
Result<void> Database::take_over_log() {
  if (has_taken_over_log_) return {};
  CANOPY_TRY(const std::int64_t is_busy, number("PRAGMA wal_checkpoint(RESTART)"));
  if (is_busy != 0) return tl::unexpected(sqlite_error(connection_.get(), SQLITE_BUSY));
  has_taken_over_log_ = true;
  return {};
}

Result<Transaction> Transaction::begin(Database& database) {
  CANOPY_TRY_VOID(database.take_over_log());
  // IMMEDIATE: what cannot be written shall fail here, not half way.
  CANOPY_TRY_VOID(database.execute("BEGIN IMMEDIATE"));
  Transaction transaction(database);
  if (database.journal_ != nullptr) {
    CANOPY_TRY(ChangeRecorder recorder, ChangeRecorder::begin(database));
    transaction.recorder_ = std::make_unique<ChangeRecorder>(std::move(recorder));
  }
  return transaction;
}

Transaction::Transaction(Database& database) : database_(&database) {}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), recorder_(std::move(other.recorder_)) {}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  sqlite3* const connection = database_->connection_.get();
  if (sqlite3_get_autocommit(connection) != 0) return;  // A failed write has already ended it.
  sqlite3_exec(connection, "ROLLBACK", nullptr, nullptr, nullptr);
  CANOPY_CHECK(sqlite3_get_autocommit(connection) != 0);
}

Result<void> Transaction::commit() {
  if (recorder_) {
    CANOPY_TRY(const std::string changes, recorder_->changes());
    if (!changes.empty()) CANOPY_TRY_VOID(database_->journal_->offer(changes));
    recorder_.reset();
  }
  CANOPY_TRY_VOID(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace canopy::store
