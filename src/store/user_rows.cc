#include "store/user_rows.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "store/sealer.h"

namespace canopy::store {
namespace {

constexpr std::size_t audit_text_bytes_max = 1000;

std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }
std::int64_t column(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::int64_t column(WallTime time) { return time.time_since_epoch().count(); }

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    words.emplace_back(text.substr(0, space));
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  }
  return words;
}

std::string_view view(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string seal(const User& user) {
  Sealer sealer;
  sealer.add(user.id).add(user.name).add(static_cast<std::uint64_t>(user.role)).add(user.disabled ? 1U : 0U);
  sealer.add(joined(user.spaces)).add(user.password_hash).add(bits(column(user.created)));
  for (const QuotaField& field : quota_fields) {
    const auto& value = user.quotas.*field.value;
    sealer.add(value ? 1U : 0U).add(value.value_or(0));
  }
  return sealer.finish();
}

std::string seal(const Key& key) {
  Sealer sealer;
  sealer.add(key.id).add(key.user).add(key.label).add(static_cast<std::uint64_t>(key.role));
  sealer.add(joined(key.spaces)).add(view(key.digest));
  sealer.add(bits(column(key.created))).add(bits(column(key.expires)));
  return sealer.finish();
}

std::string seal(const AuditEntry& entry) {
  Sealer sealer;
  sealer.add(entry.id).add(bits(column(entry.at))).add(entry.user).add(entry.key);
  return sealer.add(entry.action).add(entry.target).add(entry.detail).finish();
}

// What is no role becomes one that no seal was made over.
Role role_of(std::int64_t value) { return value < 0 || value > 2 ? Role::caller : static_cast<Role>(value); }

WallTime time_of(std::int64_t value) { return WallTime(Duration(value)); }

Result<std::map<std::uint64_t, std::vector<std::string>>> read_spaces(Database& database) {
  CANOPY_TRY(Statement row, database.prepare("SELECT user, space FROM namespaces ORDER BY space"));
  std::map<std::uint64_t, std::vector<std::string>> spaces;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return spaces;
    spaces[bits(row.number(0))].push_back(row.text(1));
  }
}

}  // namespace

const std::vector<Table>& user_tables() {
  static const std::vector<Table> all = {
      {"users",
       "CREATE TABLE users ("
       "id INTEGER PRIMARY KEY, seal BLOB NOT NULL, name TEXT NOT NULL UNIQUE, role INTEGER NOT NULL, "
       "disabled INTEGER NOT NULL, password_hash TEXT NOT NULL, created_ns INTEGER NOT NULL, "
       "functions INTEGER, code_bytes INTEGER, concurrency INTEGER, queued_calls INTEGER, "
       "calls_per_minute INTEGER, log_bytes_per_minute INTEGER, result_bytes_per_minute INTEGER) STRICT"},
      {"namespaces",
       "CREATE TABLE namespaces ("
       "space TEXT PRIMARY KEY NOT NULL, user INTEGER NOT NULL, "
       "FOREIGN KEY (user) REFERENCES users (id) ON DELETE CASCADE) STRICT, WITHOUT ROWID"},
      {"keys",
       "CREATE TABLE keys ("
       "id TEXT PRIMARY KEY NOT NULL, seal BLOB NOT NULL, user INTEGER NOT NULL, label BLOB NOT NULL, "
       "role INTEGER NOT NULL, spaces TEXT NOT NULL, digest BLOB NOT NULL, created_ns INTEGER NOT NULL, "
       "expires_ns INTEGER NOT NULL, "
       "FOREIGN KEY (user) REFERENCES users (id) ON DELETE CASCADE) STRICT, WITHOUT ROWID"},
      {"secrets",
       "CREATE TABLE secrets ("
       "space TEXT NOT NULL, function TEXT NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL, "
       "changed_ns INTEGER NOT NULL, PRIMARY KEY (space, function, name)) STRICT, WITHOUT ROWID"},
      {"usage",
       "CREATE TABLE usage ("
       "day INTEGER NOT NULL, user INTEGER NOT NULL, space TEXT NOT NULL, name TEXT NOT NULL, "
       "user_name TEXT NOT NULL, calls INTEGER NOT NULL, errors INTEGER NOT NULL, run_ns INTEGER NOT NULL, "
       "cpu_ns INTEGER NOT NULL, memory_kib_us INTEGER NOT NULL, input_bytes INTEGER NOT NULL, "
       "output_bytes INTEGER NOT NULL, log_bytes INTEGER NOT NULL, "
       "PRIMARY KEY (day, user, space, name)) STRICT, WITHOUT ROWID"},
      {"audit",
       "CREATE TABLE audit ("
       "id INTEGER PRIMARY KEY, seal BLOB NOT NULL, at_ns INTEGER NOT NULL, user TEXT NOT NULL, "
       "key TEXT NOT NULL, action TEXT NOT NULL, target BLOB NOT NULL, detail BLOB NOT NULL) STRICT"}};
  return all;
}

Result<std::vector<User>> read_users(Database& database) {
  CANOPY_TRY(auto spaces, read_spaces(database));
  CANOPY_TRY(Statement row,
             database.prepare("SELECT id, seal, name, role, disabled, password_hash, created_ns, functions, "
                              "code_bytes, concurrency, queued_calls, calls_per_minute, "
                              "log_bytes_per_minute, result_bytes_per_minute FROM users"));
  std::vector<User> users;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return users;
    User user;
    user.id = bits(row.number(0));
    user.name = row.text(2);
    user.role = role_of(row.number(3));
    user.disabled = row.number(4) != 0;
    user.spaces = std::move(spaces[user.id]);
    user.password_hash = row.text(5);
    user.created = time_of(row.number(6));
    int at = 7;
    for (const QuotaField& field : quota_fields) {
      if (!row.is_null(at)) user.quotas.*field.value = bits(row.number(at));
      ++at;
    }
    if (seal(user) != row.bytes(1)) {
      return damaged(database, "the row of user " + log_safe(user.name) + " does not match its checksum");
    }
    users.push_back(std::move(user));
  }
}

Result<std::vector<Key>> read_keys(Database& database) {
  CANOPY_TRY(Statement row, database.prepare("SELECT id, seal, user, label, role, spaces, digest, "
                                             "created_ns, expires_ns FROM keys"));
  std::vector<Key> keys;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return keys;
    Key key;
    key.id = row.text(0);
    key.user = bits(row.number(2));
    key.label = row.text(3);
    key.role = role_of(row.number(4));
    key.spaces = split(row.bytes(5));
    const std::string_view digest = row.bytes(6);
    std::copy_n(digest.begin(), std::min(digest.size(), key.digest.size()), key.digest.begin());
    key.created = time_of(row.number(7));
    key.expires = time_of(row.number(8));
    if (seal(key) != row.bytes(1)) {
      return damaged(database, "the row of key " + log_safe(key.id) + " does not match its checksum");
    }
    keys.push_back(std::move(key));
  }
}

Result<std::vector<SealedSecret>> read_secrets(Database& database) {
  CANOPY_TRY(Statement row,
             database.prepare("SELECT space, function, name, sealed, changed_ns FROM secrets"));
  std::vector<SealedSecret> secrets;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return secrets;
    secrets.push_back({.name = {.space = row.text(0), .function = row.text(1), .name = row.text(2)},
                       .sealed = row.text(3),
                       .changed = time_of(row.number(4))});
  }
}

Result<void> write_user(Database& database, const User& user) {
  CANOPY_TRY(Statement row,
             database.prepare("INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
                              "?13, ?14) ON CONFLICT (id) DO UPDATE SET seal = excluded.seal, "
                              "role = excluded.role, disabled = excluded.disabled, "
                              "password_hash = excluded.password_hash, functions = excluded.functions, "
                              "code_bytes = excluded.code_bytes, concurrency = excluded.concurrency, "
                              "queued_calls = excluded.queued_calls, "
                              "calls_per_minute = excluded.calls_per_minute, "
                              "log_bytes_per_minute = excluded.log_bytes_per_minute, "
                              "result_bytes_per_minute = excluded.result_bytes_per_minute"));
  const std::string sealed = seal(user);
  row.bind(column(user.id)).bind_blob(sealed).bind(user.name).bind(static_cast<std::int64_t>(user.role));
  row.bind(std::int64_t{user.disabled ? 1 : 0}).bind(user.password_hash).bind(column(user.created));
  for (const QuotaField& field : quota_fields) {
    const auto& value = user.quotas.*field.value;
    value ? row.bind(column(*value)) : row.bind_null();
  }
  CANOPY_TRY_VOID(row.run());
  CANOPY_TRY(Statement clear, database.prepare("DELETE FROM namespaces WHERE user = ?1"));
  CANOPY_TRY_VOID(clear.bind(column(user.id)).run());
  CANOPY_TRY(Statement space, database.prepare("INSERT INTO namespaces VALUES (?1, ?2)"));
  for (const std::string& name : user.spaces) {
    CANOPY_TRY_VOID(space.bind(name).bind(column(user.id)).run());
  }
  return {};
}

Result<void> erase_user(Database& database, std::uint64_t id) {
  CANOPY_TRY(Statement row, database.prepare("DELETE FROM users WHERE id = ?1"));
  return row.bind(column(id)).run();
}

Result<void> insert_key(Database& database, const Key& key) {
  CANOPY_TRY(Statement row, database.prepare("INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  const std::string sealed = seal(key);
  const std::string spaces = joined(key.spaces);
  row.bind(key.id).bind_blob(sealed).bind(column(key.user)).bind_blob(key.label);
  row.bind(static_cast<std::int64_t>(key.role)).bind(spaces).bind_blob(view(key.digest));
  return row.bind(column(key.created)).bind(column(key.expires)).run();
}

Result<void> erase_key(Database& database, std::string_view id) {
  CANOPY_TRY(Statement row, database.prepare("DELETE FROM keys WHERE id = ?1"));
  return row.bind(id).run();
}

Result<void> write_secret(Database& database, const SealedSecret& secret) {
  CANOPY_TRY(Statement row, database.prepare("INSERT OR REPLACE INTO secrets VALUES (?1, ?2, ?3, ?4, ?5)"));
  row.bind(secret.name.space).bind(secret.name.function).bind(secret.name.name);
  return row.bind_blob(secret.sealed).bind(column(secret.changed)).run();
}

Result<void> erase_secret(Database& database, const SecretName& name) {
  CANOPY_TRY(Statement row,
             database.prepare("DELETE FROM secrets WHERE space = ?1 AND function = ?2 AND name = ?3"));
  return row.bind(name.space).bind(name.function).bind(name.name).run();
}

Result<std::vector<AuditEntry>> read_audit(Database& database, std::uint64_t before, std::size_t limit) {
  CANOPY_TRY(Statement row, database.prepare("SELECT id, seal, at_ns, user, key, action, target, detail "
                                             "FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2"));
  row.bind(before == 0 ? INT64_MAX : column(before)).bind(column(limit));
  std::vector<AuditEntry> entries;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return entries;
    AuditEntry entry{.id = bits(row.number(0)),
                     .at = time_of(row.number(2)),
                     .user = row.text(3),
                     .key = row.text(4),
                     .action = row.text(5),
                     .target = row.text(6),
                     .detail = row.text(7)};
    if (seal(entry) != row.bytes(1)) {
      return damaged(database,
                     "line " + std::to_string(entry.id) + " of the audit log does not match its checksum");
    }
    entries.push_back(std::move(entry));
  }
}

Result<void> append_audit(Database& database, AuditEntry entry) {
  CANOPY_TRY(const std::int64_t last, database.number("SELECT coalesce(max(id), 0) FROM audit"));
  entry.id = bits(last) + 1;
  for (std::string* const text : {&entry.target, &entry.detail}) {
    if (text->size() > audit_text_bytes_max) text->resize(audit_text_bytes_max);
  }
  CANOPY_TRY(Statement row, database.prepare("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  const std::string sealed = seal(entry);
  row.bind(column(entry.id)).bind_blob(sealed).bind(column(entry.at)).bind(entry.user).bind(entry.key);
  CANOPY_TRY_VOID(row.bind(entry.action).bind_blob(entry.target).bind_blob(entry.detail).run());
  if (entry.id <= audit_count_max) return {};
  CANOPY_TRY(Statement old, database.prepare("DELETE FROM audit WHERE id <= ?1"));
  return old.bind(column(entry.id - audit_count_max)).run();
}

namespace {

std::string usage_sql(const UsageFilter& filter) {
  std::string sql =
      "SELECT day, user, space, name, user_name, calls, errors, run_ns, cpu_ns, memory_kib_us, input_bytes, "
      "output_bytes, log_bytes FROM usage WHERE day >= ?1 AND day <= ?2";
  int next = 3;
  const auto parameter = [&next] { return "?" + std::to_string(next++); };
  if (filter.user) sql += " AND user = " + parameter();
  if (filter.space) sql += " AND space = " + parameter();
  if (filter.function) sql += " AND name = " + parameter();
  if (filter.after && filter.by_day) {
    sql += " AND (day, user, space, name) > (" + parameter() + ", ";
  } else if (filter.after) {
    sql += " AND (user, space, name) > (";
  }
  if (filter.after) sql += parameter() + ", " + parameter() + ", " + parameter() + ")";
  return sql + (filter.by_day ? " ORDER BY day, user, space, name" : " ORDER BY user, space, name, day");
}

UsageRow usage_row(const Statement& row) {
  UsageRow made;
  made.user_name = row.text(4);
  made.usage = {.day = row.number(0),
                .user = bits(row.number(1)),
                .function = {.space = row.text(2), .name = row.text(3)},
                .call_count = bits(row.number(5)),
                .error_count = bits(row.number(6)),
                .run_time = Duration(row.number(7)),
                .cpu_time = Duration(row.number(8)),
                .memory_kib_us = bits(row.number(9)),
                .input_bytes = bits(row.number(10)),
                .output_bytes = bits(row.number(11)),
                .log_bytes = bits(row.number(12))};
  return made;
}

}  // namespace

Result<std::vector<UsageRow>> read_usage(Database& database, const UsageFilter& filter, std::size_t limit) {
  CANOPY_TRY(Statement row, database.prepare(usage_sql(filter)));
  row.bind(filter.first_day).bind(filter.last_day);
  if (filter.user) row.bind(column(*filter.user));
  if (filter.space) row.bind(*filter.space);
  if (filter.function) row.bind(*filter.function);
  if (filter.after && filter.by_day) row.bind(filter.after->day);
  if (filter.after) {
    const UsagePlace& after = *filter.after;
    row.bind(column(after.user)).bind(after.function.space).bind(after.function.name);
  }
  std::vector<UsageRow> rows;
  for (;;) {
    CANOPY_TRY(const bool more, row.step());
    if (!more) return rows;
    UsageRow next = usage_row(row);
    if (filter.visible && !filter.visible(next.usage.function.space)) continue;
    if (!filter.by_day) next.usage.day = 0;
    const bool same = !rows.empty() && rows.back().usage.day == next.usage.day &&
                      rows.back().usage.user == next.usage.user &&
                      rows.back().usage.function == next.usage.function;
    if (same) {
      rows.back().usage.add(next.usage);
      rows.back().user_name = std::move(next.user_name);
    } else if (rows.size() == limit) {
      return rows;
    } else {
      rows.push_back(std::move(next));
    }
  }
}

Result<void> add_usage_row(Database& database, const DayUsage& usage, std::string_view user_name) {
  CANOPY_TRY(Statement known,
             database.prepare("SELECT calls, errors, run_ns, cpu_ns, memory_kib_us, input_bytes, "
                              "output_bytes, log_bytes FROM usage "
                              "WHERE day = ?1 AND user = ?2 AND space = ?3 AND name = ?4"));
  known.bind(usage.day).bind(column(usage.user)).bind(usage.function.space).bind(usage.function.name);
  CANOPY_TRY(const bool found, known.step());
  DayUsage sum = usage;
  if (found) {
    sum.add({.function = {},
             .call_count = bits(known.number(0)),
             .error_count = bits(known.number(1)),
             .run_time = Duration(known.number(2)),
             .cpu_time = Duration(known.number(3)),
             .memory_kib_us = bits(known.number(4)),
             .input_bytes = bits(known.number(5)),
             .output_bytes = bits(known.number(6)),
             .log_bytes = bits(known.number(7))});
  }
  CANOPY_TRY(Statement row, database.prepare("INSERT OR REPLACE INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
                                             "?7, ?8, ?9, ?10, ?11, ?12, ?13)"));
  row.bind(sum.day).bind(column(sum.user)).bind(sum.function.space).bind(sum.function.name).bind(user_name);
  row.bind(column(sum.call_count)).bind(column(sum.error_count)).bind(sum.run_time.count());
  row.bind(sum.cpu_time.count()).bind(column(sum.memory_kib_us)).bind(column(sum.input_bytes));
  return row.bind(column(sum.output_bytes)).bind(column(sum.log_bytes)).run();
}

Result<void> erase_usage_before(Database& database, std::int64_t day) {
  CANOPY_TRY(Statement row, database.prepare("DELETE FROM usage WHERE day < ?1"));
  return row.bind(day).run();
}

}  // namespace canopy::store
