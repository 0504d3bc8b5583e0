#pragma once
// What a transaction changed, as bytes, so that another database with the same tables can be changed alike.
// SQLite's sessions make and apply them.
//
// Threads: as for the Database.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/rows.h"
#include "store/sqlite.h"

struct sqlite3_session;

namespace canopy::store {

// Writes down what changes from now on, in all tables.
class ChangeRecorder {
 public:
  static Result<ChangeRecorder> begin(Database& database);

  // "" where nothing did.
  Result<std::string> changes();

 private:
  struct Delete {
    void operator()(sqlite3_session* session) const;
  };
  explicit ChangeRecorder(sqlite3_session* session) : session_(session) {}

  std::unique_ptr<sqlite3_session, Delete> session_;
};

// Changes `database` as the one was of which `changes` were written down, all or nothing. The names of the
// tables that it touched.
//   internal  the two are not alike, or the bytes are no changes
Result<std::vector<std::string>> apply_changes(Database& database, std::string_view changes);

// All rows of `tables`, as changes that make them out of empty tables.
Result<std::string> all_rows(Database& database, const std::vector<Table>& tables);

}  // namespace canopy::store
