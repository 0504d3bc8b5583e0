#pragma once
// SQLite, so that what is opened is closed and no error is overlooked. Its codes become ours:
//   unavailable  full, read-only, missing rights, held by another program, a failing disk
//   refused      the file is damaged or no database
//   internal     anything else: a bug
//
// Threads: one at a time for a Database and all its Statements.
// Life:    a Statement ends before its Database.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace canopy::store {

class Statement {
 public:
  // The next parameter, from the left. The views live until the next reset() or the end.
  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text);
  Statement& bind_blob(std::string_view bytes);
  Statement& bind_null();

  // True: there is a row, in the columns below. False: no more.
  Result<bool> step();
  // For what gives no rows: steps to the end and makes it ready for other parameters.
  Result<void> run();
  void reset();

  // Of the row that step() found, from 0. A view lives until the next step().
  std::int64_t number(int column) const;
  std::string_view bytes(int column) const;
  std::string text(int column) const { return std::string(bytes(column)); }
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  void keep(int code);

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_parameter_ = 1;
  std::optional<int> failed_;  // What a bind() said, for step() to tell.
};

// Is asked before a transaction is committed, with what it changed (sqlite_changes.h); where it says no, the
// transaction is rolled back for that reason. Not asked where nothing changed.
class Journal {
 public:
  virtual ~Journal() = default;
  virtual Result<void> offer(const std::string& changes) = 0;
};

class Database {
 public:
  // The file must exist; symbolic links in `file` are refused.
  static Result<Database> open(const std::filesystem::path& file);
  // One that is nowhere else, and goes with the object.
  static Result<Database> open_in_memory();

  // From now on. Null: nobody is asked. It outlives the database.
  void set_journal(Journal* journal) { journal_ = journal; }

  // One statement or several, without parameters; rows are thrown away.
  Result<void> execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  // The first column of the only row.
  Result<std::int64_t> number(std::string_view sql);
  Result<std::string> text(std::string_view sql);

  bool is_read_only() const;
  // From now on nobody but the caller moves the write-ahead log into the file, and wal_pages() says how long
  // it was after the last commit.
  void count_wal_pages();
  std::uint64_t wal_pages() const { return wal_pages_ ? *wal_pages_ : 0; }
  // While off, closing leaves the write-ahead log as it is and the file untouched.
  void set_checkpoint_on_close(bool on);

  // For sqlite_changes.cc.
  sqlite3* connection() { return connection_.get(); }

 private:
  friend class Transaction;
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  explicit Database(sqlite3* connection) : connection_(connection) {}

  // Before its first transaction.
  Result<void> take_over_log();

  bool has_taken_over_log_ = false;
  Journal* journal_ = nullptr;
  std::unique_ptr<std::uint64_t> wal_pages_;  // SQLite has its address.
  std::unique_ptr<sqlite3, Close> connection_;
};

class ChangeRecorder;

// All or nothing: rolled back unless commit() succeeded.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  ~Transaction();
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;

  // On the disk when it returns without an error.
  Result<void> commit();

 private:
  explicit Transaction(Database& database);

  Database* database_;                        // Null once ended.
  std::unique_ptr<ChangeRecorder> recorder_;  // For a journal.
};

}  // namespace canopy::store
