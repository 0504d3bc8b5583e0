#pragma once
// The tables of calls.db and their statements, prepared once for a connection.
//
//   live       calls that wait or run: head, progress, input        ended   calls with an end
//   keys       idempotency keys                                     expiry  which of them end their time when
//   callbacks  what is sent to whom, and when                       dead    which of them failed
//   state      one row: batches so far, the next number, the key of the ids
//
// PRAGMA user_version is the format: 2. In format 1 a row of an ended call is of version 1 (call_log_rows.h);
// it is read as it is, so all that becomes of such a file is that it says 2, and an older Canopy leaves it
// alone.
//
// Threads: as for the Database.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "store/call_log_shelf.h"
#include "store/sqlite.h"

namespace canopy::store {

// Makes them where the file is new, brings it to the format of today where it is older; reads the one row of
// `state`.
//   refused  a newer format, no database of ours, or a damaged row; the file is as it was
Result<ShelfState> make_call_tables(Database& database, const std::filesystem::path& file);

class CallTables {
 public:
  static Result<CallTables> prepare(Database& database);

  Result<void> put_state(const ShelfState& state);
  Result<void> put_live(std::uint64_t number, std::string_view head, std::string_view input);
  Result<void> put_progress(std::uint64_t number, std::string_view progress);
  Result<bool> erase_live(std::uint64_t number);
  Result<void> put_ended(const CallShelf::NewEnded& call);
  Result<void> erase_ended(std::uint64_t number, std::int64_t expires_minute);
  Result<void> put_key(std::string_view digest, std::string_view value);
  Result<std::optional<std::string>> key(std::string_view digest);
  Result<void> erase_key(std::string_view digest);
  Result<void> put_callback(std::uint64_t number, std::string_view row);
  Result<std::optional<std::string>> callback(std::uint64_t number);
  Result<void> erase_callback(std::uint64_t number);
  Result<std::vector<std::pair<std::int64_t, std::uint64_t>>> expired(std::int64_t minute,
                                                                      std::size_t count_max);
  Result<std::optional<ShelvedCall>> read(std::uint64_t number, Part part);
  Result<std::vector<CallShelf::Numbered>> page(CallShelf::Which which, std::uint64_t below,
                                                std::size_t count_max);
  Result<void> each_live(const CallShelf::VisitLive& visit);
  Result<void> each_callback(const std::function<void(std::uint64_t number, std::string_view row)>& visit);
  Result<std::uint64_t> dead_count();

 private:
  explicit CallTables(Database& database) : database_(database) {}
  // Prepared when it is needed first.
  Result<Statement*> statement(std::size_t which);
  template <class... Values>
  Result<Statement*> bound(std::size_t which, const Values&... values);
  Result<void> run(Result<Statement*> bound_statement);
  Result<std::optional<ShelvedCall>> look(std::uint64_t number, Part part);

  std::reference_wrapper<Database> database_;
  std::vector<std::optional<Statement>> statements_;
};

}  // namespace canopy::store
