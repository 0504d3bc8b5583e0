#include "store/call_log_tables.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/id.h"
#include "store/crc32c.h"

namespace canopy::store {
namespace {

constexpr std::int64_t format = 2;

constexpr std::string_view tables_sql =
    "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), batch INTEGER NOT NULL, "
    "next_number INTEGER NOT NULL, id_key INTEGER NOT NULL, seal INTEGER NOT NULL);"
    "CREATE TABLE live (number INTEGER PRIMARY KEY, head BLOB NOT NULL, progress BLOB, input BLOB);"
    "CREATE TABLE ended (number INTEGER PRIMARY KEY, row BLOB NOT NULL, output BLOB, log BLOB, input BLOB);"
    "CREATE TABLE keys (digest BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE expiry (minute INTEGER, number INTEGER, PRIMARY KEY (minute, number)) WITHOUT ROWID;"
    "CREATE TABLE dead (number INTEGER PRIMARY KEY);"
    "CREATE TABLE callbacks (number INTEGER PRIMARY KEY, row BLOB NOT NULL);"
    "PRAGMA user_version = 2;";

enum Sql : std::size_t {
  put_state_sql,
  put_live_sql,
  put_progress_sql,
  erase_live_sql,
  put_ended_sql,
  put_expiry_sql,
  put_dead_sql,
  erase_ended_sql,
  erase_expiry_sql,
  erase_dead_sql,
  put_key_sql,
  key_sql,
  erase_key_sql,
  put_callback_sql,
  callback_sql,
  erase_callback_sql,
  expired_sql,
  live_row_sql,
  live_input_sql,
  ended_row_sql,
  ended_output_sql,
  ended_log_sql,
  ended_input_sql,
  page_live_sql,
  page_ended_sql,
  page_dead_sql,
  each_live_sql,
  each_callback_sql,
  dead_count_sql,
  sql_count,
};

constexpr std::array<std::string_view, sql_count> sql_texts = {
    "UPDATE state SET batch = ?, next_number = ?, id_key = ?, seal = ?",
    "INSERT INTO live (number, head, input) VALUES (?, ?, ?)",
    "UPDATE live SET progress = ? WHERE number = ?",
    "DELETE FROM live WHERE number = ? RETURNING 1",
    "INSERT INTO ended (number, row, output, log, input) VALUES (?, ?, ?, ?, ?)",
    "INSERT INTO expiry (minute, number) VALUES (?, ?)",
    "INSERT INTO dead (number) VALUES (?)",
    "DELETE FROM ended WHERE number = ?",
    "DELETE FROM expiry WHERE minute = ? AND number = ?",
    "DELETE FROM dead WHERE number = ?",
    "INSERT OR REPLACE INTO keys (digest, value) VALUES (?, ?)",
    "SELECT value FROM keys WHERE digest = ?",
    "DELETE FROM keys WHERE digest = ?",
    "INSERT OR REPLACE INTO callbacks (number, row) VALUES (?, ?)",
    "SELECT row FROM callbacks WHERE number = ?",
    "DELETE FROM callbacks WHERE number = ?",
    "SELECT minute, number FROM expiry WHERE minute <= ? ORDER BY minute, number LIMIT ?",
    "SELECT head, progress FROM live WHERE number = ?",
    "SELECT head, progress, input FROM live WHERE number = ?",
    "SELECT row FROM ended WHERE number = ?",
    "SELECT row, output FROM ended WHERE number = ?",
    "SELECT row, log FROM ended WHERE number = ?",
    "SELECT row, input FROM ended WHERE number = ?",
    "SELECT number, head, progress FROM live WHERE number < ? ORDER BY number DESC LIMIT ?",
    "SELECT number, row FROM ended WHERE number < ? ORDER BY number DESC LIMIT ?",
    "SELECT number, row FROM dead JOIN ended USING (number) WHERE number < ? ORDER BY number DESC LIMIT ?",
    "SELECT number, head, progress FROM live ORDER BY number",
    "SELECT number, row FROM callbacks ORDER BY number",
    "SELECT count(*) FROM dead",
};

std::int64_t seal_of(const ShelfState& state) {
  const std::array<std::uint64_t, 3> numbers = {state.batch, state.next_number, state.id_key};
  char raw[sizeof numbers];
  std::memcpy(raw, numbers.data(), sizeof raw);
  return crc32c({raw, sizeof raw});
}

struct Blob {
  std::string_view bytes;
  bool null_if_empty = false;
};

void bind(Statement& statement, std::uint64_t value) { statement.bind(static_cast<std::int64_t>(value)); }
void bind(Statement& statement, std::int64_t value) { statement.bind(value); }
void bind(Statement& statement, const Blob& blob) {
  if (blob.null_if_empty && blob.bytes.empty()) {
    statement.bind_null();
  } else {
    statement.bind_blob(blob.bytes);
  }
}

std::uint64_t limit_of(std::size_t count) {
  return std::min<std::uint64_t>(count, std::numeric_limits<std::int32_t>::max());
}

}  // namespace

Result<ShelfState> make_call_tables(Database& database, const std::filesystem::path& file) {
  CANOPY_TRY(const std::int64_t version, database.number("PRAGMA user_version"));
  const std::string kept = "; the file is kept as it is: ";
  if (version > format) {
    return fail(Code::refused, file.string() + " has the format " + std::to_string(version) +
                                   " of a newer Canopy, and this one knows " + std::to_string(format) + kept +
                                   "use the newer one");
  }
  if (version == 0) {
    CANOPY_TRY(const std::int64_t count, database.number("SELECT count(*) FROM sqlite_schema"));
    if (count != 0)
      return fail(Code::refused, file.string() + " is a database of something else" + kept + "move it");
    ShelfState fresh;
    fill_random(&fresh.id_key, sizeof fresh.id_key);
    CANOPY_TRY(Transaction transaction, Transaction::begin(database));
    CANOPY_TRY_VOID(database.execute(std::string(tables_sql)));
    CANOPY_TRY(Statement insert, database.prepare("INSERT INTO state VALUES (1, ?, ?, ?, ?)"));
    bind(insert, fresh.batch);
    bind(insert, fresh.next_number);
    bind(insert, fresh.id_key);
    bind(insert, seal_of(fresh));
    CANOPY_TRY_VOID(insert.run());
    CANOPY_TRY_VOID(transaction.commit());
    return fresh;
  }
  CANOPY_TRY(Statement select, database.prepare("SELECT batch, next_number, id_key, seal FROM state"));
  CANOPY_TRY(const bool found, select.step());
  ShelfState state;
  if (found) {
    state = {.batch = static_cast<std::uint64_t>(select.number(0)),
             .next_number = static_cast<std::uint64_t>(select.number(1)),
             .id_key = static_cast<std::uint64_t>(select.number(2))};
  }
  if (!found || select.number(3) != seal_of(state)) {
    return fail(Code::refused, file.string() + " is damaged: its table 'state' does not fit its checksum" +
                                   kept + "restore it from a backup");
  }
  select.reset();
  if (version < format) {
    CANOPY_TRY_VOID(database.execute("PRAGMA user_version = " + std::to_string(format)));
  }
  return state;
}

Result<CallTables> CallTables::prepare(Database& database) {
  CallTables tables(database);
  tables.statements_.resize(sql_count);
  return tables;
}

Result<Statement*> CallTables::statement(std::size_t which) {
  auto& prepared = statements_.at(which);
  if (!prepared) {
    CANOPY_TRY(Statement made, database_.get().prepare(sql_texts.at(which)));
    prepared.emplace(std::move(made));
  }
  return &*prepared;
}

template <class... Values>
Result<Statement*> CallTables::bound(std::size_t which, const Values&... values) {
  CANOPY_TRY(Statement* const made, statement(which));
  made->reset();
  (bind(*made, values), ...);
  return made;
}

Result<void> CallTables::run(Result<Statement*> bound_statement) {
  CANOPY_TRY(Statement* const made, std::move(bound_statement));
  return made->run();
}

Result<void> CallTables::put_state(const ShelfState& state) {
  return run(bound(put_state_sql, state.batch, state.next_number, state.id_key, seal_of(state)));
}

Result<void> CallTables::put_live(std::uint64_t number, std::string_view head, std::string_view input) {
  return run(bound(put_live_sql, number, Blob{head}, Blob{input, true}));
}

Result<void> CallTables::put_progress(std::uint64_t number, std::string_view progress) {
  return run(bound(put_progress_sql, Blob{progress, true}, number));
}

Result<bool> CallTables::erase_live(std::uint64_t number) {
  CANOPY_TRY(Statement* const made, bound(erase_live_sql, number));
  CANOPY_TRY(const bool found, made->step());
  CANOPY_TRY_VOID(made->run());
  return found;
}

Result<void> CallTables::put_ended(const CallShelf::NewEnded& call) {
  CANOPY_TRY_VOID(run(bound(put_ended_sql, call.number, Blob{call.row}, Blob{call.output, true},
                            Blob{call.log, true}, Blob{call.input, true})));
  if (call.is_dead) CANOPY_TRY_VOID(run(bound(put_dead_sql, call.number)));
  return run(bound(put_expiry_sql, call.expires_minute, call.number));
}

Result<void> CallTables::erase_ended(std::uint64_t number, std::int64_t expires_minute) {
  CANOPY_TRY_VOID(run(bound(erase_ended_sql, number)));
  CANOPY_TRY_VOID(run(bound(erase_dead_sql, number)));
  return run(bound(erase_expiry_sql, expires_minute, number));
}

Result<void> CallTables::put_key(std::string_view digest, std::string_view value) {
  return run(bound(put_key_sql, Blob{digest}, Blob{value}));
}

Result<std::optional<std::string>> CallTables::key(std::string_view digest) {
  CANOPY_TRY(Statement* const made, bound(key_sql, Blob{digest}));
  CANOPY_TRY(const bool found, made->step());
  std::optional<std::string> value;
  if (found) value = made->text(0);
  made->reset();
  return value;
}

Result<void> CallTables::erase_key(std::string_view digest) {
  return run(bound(erase_key_sql, Blob{digest}));
}

Result<void> CallTables::put_callback(std::uint64_t number, std::string_view row) {
  return run(bound(put_callback_sql, number, Blob{row}));
}

Result<std::optional<std::string>> CallTables::callback(std::uint64_t number) {
  CANOPY_TRY(Statement* const made, bound(callback_sql, number));
  CANOPY_TRY(const bool found, made->step());
  std::optional<std::string> row;
  if (found) row = made->text(0);
  made->reset();
  return row;
}

Result<void> CallTables::erase_callback(std::uint64_t number) {
  return run(bound(erase_callback_sql, number));
}

Result<std::vector<std::pair<std::int64_t, std::uint64_t>>> CallTables::expired(std::int64_t minute,
                                                                                std::size_t count_max) {
  CANOPY_TRY(Statement* const made, bound(expired_sql, minute, limit_of(count_max)));
  std::vector<std::pair<std::int64_t, std::uint64_t>> numbers;
  for (;;) {
    CANOPY_TRY(const bool row, made->step());
    if (!row) break;
    numbers.emplace_back(made->number(0), static_cast<std::uint64_t>(made->number(1)));
  }
  made->reset();
  return numbers;
}

// Where a call is redriven between the two looks, the first one missed it and so does the second.
Result<std::optional<ShelvedCall>> CallTables::read(std::uint64_t number, Part part) {
  CANOPY_TRY(auto found, look(number, part));
  if (!found) return look(number, part);
  return found;
}

Result<std::optional<ShelvedCall>> CallTables::look(std::uint64_t number, Part part) {
  const bool with_input = part == Part::body || part == Part::input;
  CANOPY_TRY(Statement* const live, bound(with_input ? live_input_sql : live_row_sql, number));
  CANOPY_TRY(const bool is_live, live->step());
  ShelvedCall call;
  if (is_live) {
    call = {.has_ended = false, .row = live->text(0), .progress = live->text(1), .body = {}};
    if (with_input) call.body = live->text(2);
    live->reset();
    return call;
  }
  live->reset();
  constexpr std::array<Sql, 4> by_part = {ended_row_sql, ended_output_sql, ended_log_sql, ended_input_sql};
  CANOPY_TRY(Statement* const ended, bound(by_part.at(static_cast<std::size_t>(part)), number));
  CANOPY_TRY(const bool has_ended, ended->step());
  if (has_ended) {
    call = {.has_ended = true, .row = ended->text(0), .progress = {}, .body = {}};
    if (part != Part::row) call.body = ended->text(1);
  }
  ended->reset();
  if (!has_ended) return std::nullopt;
  return call;
}

Result<std::vector<CallShelf::Numbered>> CallTables::page(CallShelf::Which which, std::uint64_t below,
                                                          std::size_t count_max) {
  using Which = CallShelf::Which;
  std::vector<CallShelf::Numbered> found;
  const std::uint64_t top = std::min<std::uint64_t>(below, std::numeric_limits<std::int64_t>::max());
  const auto collect = [&](std::size_t sql, bool has_ended) -> Result<void> {
    CANOPY_TRY(Statement* const made, bound(sql, top, limit_of(count_max)));
    for (;;) {
      CANOPY_TRY(const bool row, made->step());
      if (!row) break;
      found.push_back({static_cast<std::uint64_t>(made->number(0)),
                       {.has_ended = has_ended,
                        .row = made->text(1),
                        .progress = has_ended ? std::string() : made->text(2),
                        .body = {}}});
    }
    made->reset();
    return {};
  };
  if (which == Which::all || which == Which::live) CANOPY_TRY_VOID(collect(page_live_sql, false));
  if (which == Which::all || which == Which::ended) CANOPY_TRY_VOID(collect(page_ended_sql, true));
  if (which == Which::dead) CANOPY_TRY_VOID(collect(page_dead_sql, true));
  std::ranges::sort(found, std::greater(), &CallShelf::Numbered::number);
  if (found.size() > count_max) found.resize(count_max);
  return found;
}

Result<void> CallTables::each_live(const CallShelf::VisitLive& visit) {
  CANOPY_TRY(Statement* const made, bound(each_live_sql));
  for (;;) {
    CANOPY_TRY(const bool row, made->step());
    if (!row) break;
    visit(static_cast<std::uint64_t>(made->number(0)), made->bytes(1), made->bytes(2));
  }
  made->reset();
  return {};
}

Result<void> CallTables::each_callback(
    const std::function<void(std::uint64_t number, std::string_view row)>& visit) {
  CANOPY_TRY(Statement* const made, bound(each_callback_sql));
  for (;;) {
    CANOPY_TRY(const bool row, made->step());
    if (!row) break;
    visit(static_cast<std::uint64_t>(made->number(0)), made->bytes(1));
  }
  made->reset();
  return {};
}

Result<std::uint64_t> CallTables::dead_count() {
  CANOPY_TRY(Statement* const made, bound(dead_count_sql));
  CANOPY_TRY(const bool row, made->step());
  const std::uint64_t count = row ? static_cast<std::uint64_t>(made->number(0)) : 0;
  made->reset();
  return count;
}

}  // namespace canopy::store
