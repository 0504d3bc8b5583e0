#include "store/sqlite_changes.h"

#include <algorithm>
#include <limits>
#include <utility>

// Sessions are declared only for who asks for them; Debian's library has them.
#define SQLITE_ENABLE_SESSION 1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include <sqlite3.h>

namespace canopy::store {
namespace {

tl::unexpected<Error> failed(std::string_view attempt, int code) {
  return fail(code == SQLITE_NOMEM ? Code::unavailable : Code::internal,
              "cannot " + std::string(attempt) + ": " + sqlite3_errstr(code));
}

struct Free {
  void operator()(void* memory) const { sqlite3_free(memory); }
};

struct Finish {
  void operator()(sqlite3_changeset_iter* iterator) const { sqlite3changeset_finalize(iterator); }
};

Result<std::vector<std::string>> tables_of(std::string_view changes) {
  sqlite3_changeset_iter* raw = nullptr;
  // It only reads, though it does not say so.
  int code =
      sqlite3changeset_start(&raw, static_cast<int>(changes.size()), const_cast<char*>(changes.data()));
  if (code != SQLITE_OK) return failed("read a change", code);
  const std::unique_ptr<sqlite3_changeset_iter, Finish> iterator(raw);
  std::vector<std::string> tables;
  while ((code = sqlite3changeset_next(raw)) == SQLITE_ROW) {
    const char* table = nullptr;
    int column_count = 0;
    int operation = 0;
    int indirect = 0;
    sqlite3changeset_op(raw, &table, &column_count, &operation, &indirect);
    if (std::ranges::find(tables, table) == tables.end()) tables.emplace_back(table);
  }
  if (code != SQLITE_DONE) return failed("read a change", code);
  return tables;
}

}  // namespace

void ChangeRecorder::Delete::operator()(sqlite3_session* session) const { sqlite3session_delete(session); }

Result<ChangeRecorder> ChangeRecorder::begin(Database& database) {
  sqlite3_session* raw = nullptr;
  int code = sqlite3session_create(database.connection(), "main", &raw);
  if (code != SQLITE_OK) return failed("write down what changes", code);
  ChangeRecorder recorder(raw);
  code = sqlite3session_attach(raw, nullptr);
  if (code != SQLITE_OK) return failed("write down what changes", code);
  return recorder;
}

Result<std::string> ChangeRecorder::changes() {
  int size = 0;
  void* bytes = nullptr;
  const int code = sqlite3session_changeset(session_.get(), &size, &bytes);
  const std::unique_ptr<void, Free> owned(bytes);
  if (code != SQLITE_OK) return failed("write down what changed", code);
  return std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Result<std::vector<std::string>> apply_changes(Database& database, std::string_view changes) {
  if (changes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return fail(Code::internal, "cannot apply a change of " + std::to_string(changes.size()) + " bytes");
  }
  CANOPY_TRY(auto tables, tables_of(changes));
  // What a deleted row took with it is among the changes.
  CANOPY_TRY_VOID(database.execute("PRAGMA foreign_keys = OFF"));
  const auto never = [](void*, int, sqlite3_changeset_iter*) { return SQLITE_CHANGESET_ABORT; };
  const int code = sqlite3changeset_apply(database.connection(), static_cast<int>(changes.size()),
                                          const_cast<char*>(changes.data()), nullptr, never, nullptr);
  CANOPY_TRY_VOID(database.execute("PRAGMA foreign_keys = ON"));
  if (code != SQLITE_OK)
    return failed("apply a change: the tables are not what they were where it was made", code);
  return tables;
}

Result<std::string> all_rows(Database& database, const std::vector<Table>& tables) {
  const auto read = [&]() -> Result<std::string> {
    constexpr std::string_view create = "CREATE TABLE ";
    sqlite3_session* raw = nullptr;
    int code = sqlite3session_create(database.connection(), "main", &raw);
    if (code != SQLITE_OK) return failed("read all tables", code);
    const std::unique_ptr<sqlite3_session, void (*)(sqlite3_session*)> session(raw, sqlite3session_delete);
    for (const Table& table : tables) {
      const std::string name(table.name);
      CANOPY_TRY_VOID(
          database.execute(std::string(create) + "blank." + std::string(table.sql.substr(create.size()))));
      code = sqlite3session_attach(raw, name.c_str());
      if (code == SQLITE_OK) code = sqlite3session_diff(raw, "blank", name.c_str(), nullptr);
      if (code != SQLITE_OK) return failed("read the table " + name, code);
    }
    int size = 0;
    void* bytes = nullptr;
    code = sqlite3session_changeset(raw, &size, &bytes);
    const std::unique_ptr<void, Free> owned(bytes);
    if (code != SQLITE_OK) return failed("read all tables", code);
    return std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
  };
  CANOPY_TRY_VOID(database.execute("ATTACH ':memory:' AS blank"));
  auto rows = read();
  CANOPY_TRY_VOID(database.execute("DETACH blank"));
  return rows;
}

}  // namespace canopy::store
