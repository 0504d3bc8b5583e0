#include "store/schema.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "base/log.h"
#include "store/data_folder.h"
#include "store/rows.h"
#include "store/user_rows.h"

namespace canopy::store {
namespace {

constexpr std::int64_t version_of_format_0 = 1;
constexpr std::int64_t version_of_format_1 = 2;
constexpr std::int64_t version_of_format_2 = 3;
constexpr std::string_view magic("SQLite format 3\0", 16);
constexpr std::size_t header_size = 100;
const char* const file_name = "catalog.db";
const char* const copy_name = "catalog.db.before-format-2";
const char* const keep_words =
    "; the file is kept as it is: restore it from a backup, or choose another data folder";

tl::unexpected<Error> refuse(const Folder& folder, const std::string& why) {
  return fail(Code::refused, (folder.path() / file_name).string() + " " + why + keep_words);
}

// What a database says its size is (https://www.sqlite.org/fileformat.html, section 1.3). SQLite takes
// missing bytes at the end for zeros.
std::uint64_t size_by_header(std::string_view head) {
  const auto number = [head](std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (const char byte : head.substr(at, size)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  };
  const std::uint64_t page_size = number(16, 2) == 1 ? 65'536 : number(16, 2);
  return page_size * number(28, 4);
}

// What must hold before the file is given to SQLite, which would take an empty one for a new one.
Result<void> check_before_opening(const Folder& folder, bool in_use) {
  CANOPY_TRY(const auto facts, folder.look(file_name));
  if (!facts || facts->size_bytes == 0) {
    if (!in_use) return {};
    return refuse(folder, std::string(facts ? "is empty" : "is missing") +
                              ", but the folder was in use; Canopy does not start empty");
  }
  if (!facts->plain) return refuse(folder, "is no plain file");
  CANOPY_TRY(const std::string head, folder.read_head(file_name, header_size));
  if (!head.starts_with(magic)) return refuse(folder, "is not a database");
  CANOPY_TRY(const auto log, folder.look("catalog.db-wal"));
  CANOPY_TRY(const auto journal, folder.look("catalog.db-journal"));
  if ((log && log->size_bytes != 0) || journal) return {};  // The missing pages may be in there.
  if (head.size() < header_size || facts->size_bytes < size_by_header(head)) {
    return refuse(folder, "is cut off: it has " + std::to_string(facts->size_bytes) + " bytes");
  }
  return {};
}

Result<void> make_empty_file(const Folder& folder, const char* name) {
  const Descriptor file(openat(folder.descriptor(), name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return tl::unexpected(disk_error("make", folder.path() / name, errno));
  return folder.sync();
}

Result<void> create_tables(Database& database, const std::vector<Table>& missing) {
  for (const Table& table : missing) CANOPY_TRY_VOID(database.execute(std::string(table.sql)));
  return database.execute("PRAGMA user_version = " + std::to_string(version_of_format_2));
}

Result<void> create(Database& database) {
  CANOPY_TRY(Transaction transaction, Transaction::begin(database));
  CANOPY_TRY_VOID(create_tables(database, tables()));
  return transaction.commit();
}

// Nothing of a schema may have changed, and nothing in it may act by itself.
Result<void> check_tables(Database& database, const Folder& folder, const std::vector<Table>& wanted) {
  for (const Table& table : wanted) {
    CANOPY_TRY(Statement row,
               database.prepare("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1"));
    row.bind(table.name);
    CANOPY_TRY(const bool found, row.step());
    if (!found || row.bytes(0) != table.sql) {
      return refuse(folder, "is damaged: its table '" + std::string(table.name) + "' is not as it was made");
    }
  }
  CANOPY_TRY(const std::int64_t active,
             database.number("SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')"));
  if (active != 0) return refuse(folder, "has triggers or views, which Canopy never makes");
  return {};
}

Result<void> check_pages(Database& database, const Folder& folder) {
  CANOPY_TRY(const auto facts, folder.look(file_name));
  if (facts && facts->size_bytes > full_check_bytes_max) return {};
  // Not quick_check: that one overlooks rows in the wrong order, which a search then does not find.
  CANOPY_TRY(const std::string problem, database.text("PRAGMA integrity_check(1)"));
  if (problem != "ok") return refuse(folder, "is damaged: " + log_safe(problem));
  // It was writable before its first page was read, so that page says so.
  if (database.is_read_only()) return refuse(folder, "is damaged: its header asks for a newer SQLite");
  return {};
}

// Functions of format 0, with today's defaults for what it did not know.
Result<std::vector<Function>> read_format_0(Database& database) {
  CANOPY_TRY(Statement row,
             database.prepare("SELECT space, name, version, digest, code_bytes, runtime, memory_bytes, "
                              "timeout_ms, concurrency, output_bytes, created_s "
                              "FROM versions ORDER BY space, name, version"));
  CANOPY_TRY(Statement variable, database.prepare("SELECT key, value FROM env "
                                                  "WHERE space = ?1 AND name = ?2 AND version = ?3"));
  std::vector<Function> functions;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return functions;
    Function function;
    function.name = {.space = row.text(0), .name = row.text(1)};
    function.version = static_cast<std::uint32_t>(row.number(2));
    function.digest = row.text(3);
    function.code_bytes = static_cast<std::uint64_t>(row.number(4));
    function.runtime = row.text(5);
    function.limits.memory_bytes = static_cast<std::uint64_t>(row.number(6));
    function.limits.timeout = std::chrono::milliseconds(row.number(7));
    function.limits.concurrency = static_cast<std::uint32_t>(row.number(8));
    function.limits.output_bytes = static_cast<std::uint64_t>(row.number(9));
    function.created = WallTime(std::chrono::seconds(row.number(10)));
    variable.bind(function.name.space).bind(function.name.name).bind(row.number(2));
    for (;;) {
      CANOPY_TRY(const bool more_env, variable.step());
      if (!more_env) break;
      function.env.insert_or_assign(variable.text(0), variable.text(1));
    }
    variable.reset();
    functions.push_back(std::move(function));
  }
}

struct NamedRow {
  FunctionName name;
  NameRow row;
};

Result<std::vector<NamedRow>> read_format_0_names(Database& database) {
  CANOPY_TRY(Statement row,
             database.prepare("SELECT f.space, f.name, f.current, max(v.version) FROM functions f "
                              "JOIN versions v ON v.space = f.space AND v.name = f.name "
                              "GROUP BY f.space, f.name"));
  std::vector<NamedRow> names;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return names;
    names.push_back({.name = {.space = row.text(0), .name = row.text(1)},
                     .row = {.current = static_cast<std::uint32_t>(row.number(2)),
                             .last_version = static_cast<std::uint32_t>(row.number(3))}});
  }
}

// A whole copy, with what only the write-ahead log holds; under its name only once it is on the disk.
Result<void> keep_copy(Database& database, const Folder& folder) {
  const std::string fresh = std::string(copy_name) + ".new";
  const std::filesystem::path path = folder.path() / fresh;
  CANOPY_TRY_VOID(folder.remove(fresh));
  CANOPY_TRY_VOID(make_empty_file(folder, fresh.c_str()));  // So that it is its owner's alone from the start.
  CANOPY_TRY(Statement copy, database.prepare("VACUUM INTO ?1"));
  copy.bind(path.native());
  Result<void> done = copy.run();
  if (done) done = folder.sync_content(fresh);
  if (done) done = folder.move(fresh, folder, copy_name);
  if (!done) {
    if (const auto removed = folder.remove(fresh); !removed) return tl::unexpected(removed.error());
  }
  return done;
}

Result<void> migrate_format_0(Database& database, const Folder& folder) {
  CANOPY_TRY_VOID(keep_copy(database, folder));
  CANOPY_TRY(Transaction transaction, Transaction::begin(database));
  CANOPY_TRY(const auto functions, read_format_0(database));
  CANOPY_TRY(const auto names, read_format_0_names(database));
  CANOPY_TRY_VOID(database.execute("DROP TABLE env; DROP TABLE versions; DROP TABLE functions"));
  CANOPY_TRY_VOID(create_tables(database, tables()));
  for (const auto& [name, row] : names) CANOPY_TRY_VOID(write_name(database, name, row));
  for (const Function& function : functions) CANOPY_TRY_VOID(insert_version(database, function));
  CANOPY_TRY(const std::int64_t strays, database.number("SELECT count(*) FROM pragma_foreign_key_check"));
  if (strays != 0) {
    return refuse(folder, "cannot be brought to format 2: " + std::to_string(strays) +
                              " of its rows belong to nothing");
  }
  return transaction.commit();
}

// Nothing of format 1 changes; users come beside it.
Result<void> migrate_format_1(Database& database, const Folder& folder) {
  CANOPY_TRY_VOID(check_tables(database, folder, function_tables()));
  CANOPY_TRY_VOID(keep_copy(database, folder));
  CANOPY_TRY(Transaction transaction, Transaction::begin(database));
  CANOPY_TRY_VOID(create_tables(database, user_tables()));
  return transaction.commit();
}

Result<void> bring_to_format_2(Database& database, const Folder& folder, std::optional<int> format,
                               bool in_use) {
  CANOPY_TRY(const std::int64_t version, database.number("PRAGMA user_version"));
  CANOPY_TRY(const std::int64_t things, database.number("SELECT count(*) FROM sqlite_schema"));
  if (version > version_of_format_2) {
    return fail(Code::refused, (folder.path() / file_name).string() + " has schema " +
                                   std::to_string(version) + ", and this Canopy reads up to schema " +
                                   std::to_string(version_of_format_2) +
                                   "; use the newer Canopy that wrote it, or another data folder");
  }
  if (version == version_of_format_2) return check_tables(database, folder, tables());
  const int said = format.value_or(0);
  if (version == version_of_format_1 && said <= 1) return migrate_format_1(database, folder);
  if (version == version_of_format_0 && said == 0) return migrate_format_0(database, folder);
  if (version == 0 && things == 0 && !in_use) return create(database);  // A start that did not come far.
  if (version == 0 && things != 0) return refuse(folder, "is a database, but no catalog of Canopy");
  return refuse(folder, "is damaged: its schema number is " + std::to_string(version) +
                            ", which does not fit the rest of the folder");
}

}  // namespace

const char* format_0_tables() {
  return "CREATE TABLE functions (space TEXT NOT NULL, name TEXT NOT NULL, current INTEGER NOT NULL, "
         "PRIMARY KEY (space, name));"
         "CREATE TABLE versions (space TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, "
         "digest TEXT NOT NULL, code_bytes INTEGER NOT NULL, runtime TEXT NOT NULL, memory_bytes INTEGER NOT "
         "NULL, "
         "timeout_ms INTEGER NOT NULL, concurrency INTEGER NOT NULL, output_bytes INTEGER NOT NULL, "
         "created_s INTEGER NOT NULL, PRIMARY KEY (space, name, version));"
         "CREATE TABLE env (space TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT "
         "NULL, "
         "value TEXT NOT NULL, PRIMARY KEY (space, name, version, key));"
         "PRAGMA user_version = 1;";
}

Result<Database> open_database(const Folder& folder, std::optional<int> format, bool in_use) {
  CANOPY_TRY_VOID(check_before_opening(folder, in_use));
  CANOPY_TRY(const auto facts, folder.look(file_name));
  if (!facts) CANOPY_TRY_VOID(make_empty_file(folder, file_name));
  const std::filesystem::path path = folder.path() / file_name;
  CANOPY_TRY(Database database, Database::open(path));

  database.set_checkpoint_on_close(false);  // Until the file is known to be sound, nothing moves into it.
  CANOPY_TRY_VOID(database.execute("PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL"));
  CANOPY_TRY_VOID(check_pages(database, folder));
  CANOPY_TRY_VOID(bring_to_format_2(database, folder, format, in_use));
  CANOPY_TRY_VOID(
      database.execute("PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 4194304; "
                       "PRAGMA foreign_keys = ON"));
  return database;
}

}  // namespace canopy::store
