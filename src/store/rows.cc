#include "store/rows.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/log.h"
#include "store/sealer.h"
#include "store/user_rows.h"

namespace canopy::store {
namespace {

std::string seal(const Function& function) {
  const Limits& limits = function.limits;
  Sealer sealer;
  sealer.add(function.name.space).add(function.name.name).add(function.version);
  sealer.add(function.digest).add(function.code_bytes).add(function.runtime);
  sealer.add(limits.memory_bytes).add(static_cast<std::uint64_t>(limits.timeout.count()));
  sealer.add(limits.concurrency).add(limits.output_bytes).add(limits.log_bytes).add(limits.tmp_bytes);
  sealer.add(limits.open_files).add(limits.table_elements);
  sealer.add(static_cast<std::uint64_t>(function.created.time_since_epoch().count()));
  sealer.add(function.env.size());
  for (const auto& [key, value] : function.env) sealer.add(key).add(value);
  sealer.add(function.files.size());
  for (const FunctionFile& file : function.files) sealer.add(file.path).add(file.digest).add(file.size_bytes);
  return sealer.finish();
}

std::string seal(const FunctionName& name, const NameRow& row) {
  return Sealer().add(name.space).add(name.name).add(row.current).add(row.last_version).finish();
}

tl::unexpected<Error> damaged_row(Database& database, const FunctionName& name, std::uint32_t version) {
  std::string what = log_safe(to_text(name));
  if (version != 0) what += " version " + std::to_string(version);
  return damaged(database, "the row of " + what + " does not match its checksum");
}

// SQLite has no unsigned 64-bit numbers; the bits are kept.
std::int64_t to_column(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t from_column(std::int64_t value) { return static_cast<std::uint64_t>(value); }

// What does not fit becomes a value that no seal was made over.
std::uint32_t narrow(std::int64_t value) {
  constexpr std::uint32_t max = std::numeric_limits<std::uint32_t>::max();
  return value < 0 || value > max ? max : static_cast<std::uint32_t>(value);
}

struct Key {
  FunctionName name;
  std::uint32_t version = 0;
  auto operator<=>(const Key&) const = default;
};

Key key_of(const Statement& row) {
  return {.name = {.space = row.text(0), .name = row.text(1)}, .version = narrow(row.number(2))};
}

struct Sealed {
  Function function;
  std::string seal;
};

// Which versions are meant: an ending of the SELECTs below, in which `r` is the row.
struct Selection {
  std::string_view sql;
  const FunctionName* name = nullptr;  // ?1 and ?2
  std::uint32_t version = 0;           // ?3

  Result<Statement> prepare(Database& database, std::string_view select) const {
    CANOPY_TRY(Statement statement, database.prepare(std::string(select).append(" ").append(sql)));
    if (name != nullptr) statement.bind(name->space).bind(name->name);
    if (version != 0) statement.bind(std::int64_t{version});
    return statement;
  }
};

Result<std::map<Key, Sealed>> read_bare(Database& database, const Selection& selection) {
  CANOPY_TRY(Statement row,
             selection.prepare(database,
                               "SELECT r.space, r.name, r.version, r.seal, r.digest, r.code_bytes, "
                               "r.runtime, r.memory_bytes, r.timeout_ns, r.concurrency, "
                               "r.output_bytes, r.log_bytes, r.tmp_bytes, r.open_files, "
                               "r.table_elements, r.created_ns FROM versions r"));
  std::map<Key, Sealed> found;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return found;
    Key key = key_of(row);
    Sealed sealed{.function = {}, .seal = row.text(3)};
    Function& function = sealed.function;
    function.name = key.name;
    function.version = key.version;
    function.digest = row.text(4);
    function.code_bytes = from_column(row.number(5));
    function.runtime = row.text(6);
    function.limits = {.memory_bytes = from_column(row.number(7)),
                       .timeout = Duration(row.number(8)),
                       .concurrency = narrow(row.number(9)),
                       .output_bytes = from_column(row.number(10)),
                       .log_bytes = from_column(row.number(11)),
                       .tmp_bytes = from_column(row.number(12)),
                       .open_files = narrow(row.number(13)),
                       .table_elements = from_column(row.number(14))};
    function.created = WallTime(Duration(row.number(15)));
    found.insert_or_assign(found.end(), std::move(key), std::move(sealed));
  }
}

Result<void> add_env(Database& database, const Selection& selection, std::map<Key, Sealed>& found) {
  CANOPY_TRY(Statement row,
             selection.prepare(database, "SELECT r.space, r.name, r.version, r.key, r.value FROM env r"));
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return {};
    const auto at = found.find(key_of(row));
    if (at != found.end()) at->second.function.env.insert_or_assign(row.text(3), row.text(4));
  }
}

Result<void> add_files(Database& database, const Selection& selection, std::map<Key, Sealed>& found) {
  CANOPY_TRY(Statement row,
             selection.prepare(database,
                               "SELECT r.space, r.name, r.version, r.path, r.digest, r.size_bytes "
                               "FROM files r"));
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return {};
    const auto at = found.find(key_of(row));
    if (at == found.end()) continue;
    at->second.function.files.push_back(
        {.path = row.text(3), .digest = row.text(4), .size_bytes = from_column(row.number(5))});
  }
}

// By name, then version.
Result<std::vector<Function>> read(Database& database, const Selection& selection) {
  CANOPY_TRY(auto found, read_bare(database, selection));
  CANOPY_TRY_VOID(add_env(database, selection, found));
  CANOPY_TRY_VOID(add_files(database, selection, found));
  std::vector<Function> functions;
  functions.reserve(found.size());
  for (auto& [key, sealed] : found) {
    std::ranges::sort(sealed.function.files, {}, &FunctionFile::path);
    if (seal(sealed.function) != sealed.seal) return damaged_row(database, key.name, key.version);
    functions.push_back(std::move(sealed.function));
  }
  return functions;
}

}  // namespace

tl::unexpected<Error> damaged(Database& database, const std::string& what) {
  const auto file = database.text("SELECT file FROM pragma_database_list WHERE name = 'main'");
  return fail(Code::refused, (file ? *file : "catalog.db") + " is damaged: " + what +
                                 "; the file is kept as it is: restore it from a backup");
}

const std::vector<Table>& tables() {
  static const std::vector<Table> all = [] {
    std::vector<Table> both = function_tables();
    both.insert(both.end(), user_tables().begin(), user_tables().end());
    return both;
  }();
  return all;
}

// The texts are compared with those in the file at each start: changing one, even a space, is a new format.
const std::vector<Table>& function_tables() {
  static const std::vector<Table> all = {
      {"functions",
       "CREATE TABLE functions ("
       "space TEXT NOT NULL, name TEXT NOT NULL, current INTEGER, last_version INTEGER NOT NULL, "
       "seal BLOB NOT NULL, PRIMARY KEY (space, name), "
       "FOREIGN KEY (space, name, current) REFERENCES versions (space, name, version) "
       "DEFERRABLE INITIALLY DEFERRED) STRICT, WITHOUT ROWID"},
      {"versions",
       "CREATE TABLE versions ("
       "space TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, seal BLOB NOT NULL, "
       "digest TEXT NOT NULL, code_bytes INTEGER NOT NULL, runtime TEXT NOT NULL, "
       "memory_bytes INTEGER NOT NULL, timeout_ns INTEGER NOT NULL, concurrency INTEGER NOT NULL, "
       "output_bytes INTEGER NOT NULL, log_bytes INTEGER NOT NULL, tmp_bytes INTEGER NOT NULL, "
       "open_files INTEGER NOT NULL, table_elements INTEGER NOT NULL, created_ns INTEGER NOT NULL, "
       "PRIMARY KEY (space, name, version), "
       "FOREIGN KEY (space, name) REFERENCES functions (space, name)) STRICT, WITHOUT ROWID"},
      {"env",
       "CREATE TABLE env ("
       "space TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, key BLOB NOT NULL, "
       "value BLOB NOT NULL, PRIMARY KEY (space, name, version, key), "
       "FOREIGN KEY (space, name, version) REFERENCES versions (space, name, version) "
       "ON DELETE CASCADE) STRICT, WITHOUT ROWID"},
      {"files",
       "CREATE TABLE files ("
       "space TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, path BLOB NOT NULL, "
       "digest TEXT NOT NULL, size_bytes INTEGER NOT NULL, PRIMARY KEY (space, name, version, path), "
       "FOREIGN KEY (space, name, version) REFERENCES versions (space, name, version) "
       "ON DELETE CASCADE) STRICT, WITHOUT ROWID"}};
  return all;
}

Result<std::optional<NameRow>> read_name(Database& database, const FunctionName& name) {
  CANOPY_TRY(Statement row, database.prepare("SELECT current, last_version, seal FROM functions "
                                             "WHERE space = ?1 AND name = ?2"));
  row.bind(name.space).bind(name.name);
  CANOPY_TRY(const bool found, row.step());
  if (!found) return std::optional<NameRow>{};
  const NameRow known{.current = row.is_null(0) ? 0 : narrow(row.number(0)),
                      .last_version = narrow(row.number(1))};
  if (seal(name, known) != row.bytes(2)) return damaged_row(database, name, 0);
  return known;
}

Result<std::vector<Function>> read_current(Database& database) {
  CANOPY_TRY(Statement row,
             database.prepare("SELECT space, name, current, last_version, seal FROM functions"));
  std::size_t expected = 0;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) break;
    const FunctionName name{.space = row.text(0), .name = row.text(1)};
    const NameRow known{.current = row.is_null(2) ? 0 : narrow(row.number(2)),
                        .last_version = narrow(row.number(3))};
    if (seal(name, known) != row.bytes(4)) return damaged_row(database, name, 0);
    if (known.current != 0) ++expected;
  }
  CANOPY_TRY(auto functions,
             read(database, {.sql = "JOIN functions f ON f.space = r.space AND f.name = r.name AND "
                                    "f.current = r.version ORDER BY r.space, r.name, r.version"}));
  if (functions.size() == expected) return functions;
  return damaged(database,
                 std::to_string(expected - functions.size()) + " functions lack their current version");
}

Result<std::vector<Function>> read_versions(Database& database, const FunctionName& name) {
  CANOPY_TRY(auto functions,
             read(database, {.sql = "WHERE r.space = ?1 AND r.name = ?2 ORDER BY r.version", .name = &name}));
  std::ranges::reverse(functions);
  return functions;
}

Result<std::optional<Function>> read_version(Database& database, const FunctionName& name,
                                             std::uint32_t version) {
  CANOPY_TRY(auto functions, read(database, {.sql = "WHERE r.space = ?1 AND r.name = ?2 AND r.version = ?3",
                                             .name = &name,
                                             .version = version}));
  if (functions.empty()) return std::optional<Function>{};
  return std::move(functions.front());
}

Result<std::vector<std::uint32_t>> read_version_numbers(Database& database, const FunctionName& name) {
  CANOPY_TRY(Statement row, database.prepare("SELECT version FROM versions WHERE space = ?1 AND name = ?2 "
                                             "ORDER BY version"));
  row.bind(name.space).bind(name.name);
  std::vector<std::uint32_t> numbers;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return numbers;
    numbers.push_back(narrow(row.number(0)));
  }
}

Result<std::unordered_set<std::string>> read_digests(Database& database) {
  CANOPY_TRY(Statement row, database.prepare("SELECT digest FROM versions UNION SELECT digest FROM files"));
  std::unordered_set<std::string> digests;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return digests;
    digests.insert(row.text(0));
  }
}

Result<void> write_name(Database& database, const FunctionName& name, const NameRow& row) {
  CANOPY_TRY(Statement statement,
             database.prepare("INSERT INTO functions (space, name, current, last_version, seal) "
                              "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (space, name) DO UPDATE SET "
                              "current = excluded.current, last_version = excluded.last_version, "
                              "seal = excluded.seal"));
  const std::string sealed = seal(name, row);
  statement.bind(name.space).bind(name.name);
  if (row.current == 0) {
    statement.bind_null();
  } else {
    statement.bind(std::int64_t{row.current});
  }
  statement.bind(std::int64_t{row.last_version}).bind_blob(sealed);
  return statement.run();
}

Result<void> insert_version(Database& database, const Function& function) {
  CANOPY_TRY(Statement row,
             database.prepare("INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
                              "?11, ?12, ?13, ?14, ?15, ?16)"));
  const std::string sealed = seal(function);
  const Limits& limits = function.limits;
  const FunctionName& name = function.name;
  const std::int64_t version = function.version;
  row.bind(name.space).bind(name.name).bind(version).bind_blob(sealed);
  row.bind(function.digest).bind(to_column(function.code_bytes)).bind(function.runtime);
  row.bind(to_column(limits.memory_bytes))
      .bind(limits.timeout.count())
      .bind(std::int64_t{limits.concurrency});
  row.bind(to_column(limits.output_bytes))
      .bind(to_column(limits.log_bytes))
      .bind(to_column(limits.tmp_bytes));
  row.bind(std::int64_t{limits.open_files}).bind(to_column(limits.table_elements));
  row.bind(function.created.time_since_epoch().count());
  CANOPY_TRY_VOID(row.run());

  CANOPY_TRY(Statement variable, database.prepare("INSERT INTO env VALUES (?1, ?2, ?3, ?4, ?5)"));
  for (const auto& [key, value] : function.env) {
    variable.bind(name.space).bind(name.name).bind(version).bind_blob(key).bind_blob(value);
    CANOPY_TRY_VOID(variable.run());
  }
  CANOPY_TRY(Statement file, database.prepare("INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  for (const FunctionFile& one : function.files) {
    file.bind(name.space).bind(name.name).bind(version).bind_blob(one.path).bind(one.digest);
    file.bind(to_column(one.size_bytes));
    CANOPY_TRY_VOID(file.run());
  }
  return {};
}

Result<void> erase_version(Database& database, const FunctionName& name, std::uint32_t version) {
  CANOPY_TRY(Statement statement,
             database.prepare("DELETE FROM versions WHERE space = ?1 AND name = ?2 AND version = ?3"));
  statement.bind(name.space).bind(name.name).bind(std::int64_t{version});
  return statement.run();
}

Result<void> erase_versions(Database& database, const FunctionName& name) {
  CANOPY_TRY(Statement statement, database.prepare("DELETE FROM versions WHERE space = ?1 AND name = ?2"));
  statement.bind(name.space).bind(name.name);
  return statement.run();
}

}  // namespace canopy::store
