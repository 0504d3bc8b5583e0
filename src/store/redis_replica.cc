#include "store/redis_replica.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "store/rows.h"
#include "store/sealer.h"
#include "store/sqlite_changes.h"

namespace canopy::store {
namespace {

constexpr const char* schema = "3";  // As PRAGMA user_version of catalog.db.
constexpr std::size_t seal_size = 32;
constexpr std::uint64_t list_count_max = 500;
constexpr std::uint64_t list_bytes_max = 8 * MiB;

Result<RedisReply> ask(RedisLink& link, Script script, std::vector<std::string> words) {
  CANOPY_TRY_VOID(link.connect());
  return link.run(script_command(script, "", std::move(words)));
}

tl::unexpected<Error> damaged_change(const RedisAddress& address, std::uint64_t version) {
  return fail(Code::refused, "change " + std::to_string(version) + " of the functions and users in " +
                                 to_text(address) +
                                 " is damaged: it does not fit its checksum; restore Redis from a backup");
}

}  // namespace

std::string seal_change(std::string_view kind, std::uint64_t version, std::string_view bytes) {
  std::string sealed = Sealer().add(kind).add(version).add(bytes).finish();
  sealed += bytes;
  return sealed;
}

std::optional<std::string> open_change(std::string_view kind, std::uint64_t version,
                                       std::string_view sealed) {
  if (sealed.size() < seal_size) return std::nullopt;
  const std::string_view bytes = sealed.substr(seal_size);
  if (Sealer().add(kind).add(version).add(bytes).finish() != sealed.substr(0, seal_size)) return std::nullopt;
  return std::string(bytes);
}

RedisReplica::RedisReplica(RedisAddress address)
    : link_(address, [address](RedisConnection& connection) {
        return check_redis(connection, address, std::chrono::seconds(5));
      }) {}

Result<Database> RedisReplica::make_tables() {
  CANOPY_TRY(Database database, Database::open_in_memory());
  CANOPY_TRY_VOID(database.execute("PRAGMA foreign_keys = ON"));
  for (const Table& table : tables()) CANOPY_TRY_VOID(database.execute(std::string(table.sql)));
  return database;
}

Result<void> RedisReplica::begin_anew(Database& database, std::string_view rows) {
  CANOPY_TRY_VOID(database.execute("PRAGMA foreign_keys = OFF"));
  for (const Table& table : tables()) {
    CANOPY_TRY_VOID(database.execute("DELETE FROM " + std::string(table.name)));
  }
  CANOPY_TRY_VOID(database.execute("PRAGMA foreign_keys = ON"));
  if (!rows.empty()) CANOPY_TRY_VOID(apply_changes(database, rows));
  return {};
}

Result<std::vector<std::string>> RedisReplica::catch_up(Database& database) {
  auto touched = read_changes(database);
  if (!touched && opened_) return tl::unexpected(not_now(std::move(touched).error()));
  opened_ = opened_ || touched;
  return touched;
}

Result<std::vector<std::string>> RedisReplica::read_changes(Database& database) {
  CANOPY_TRY(const RedisReply reply, ask(link_, Script::catalog_read, {std::to_string(version_), schema}));
  const std::uint64_t version = reply.at(0).as_unsigned();
  const std::vector<RedisReply>& changes = reply.at(4).list;
  if (reply.at(1).text != schema) {
    return fail(Code::refused, to_text(link_.address()) + " holds functions and users of another Canopy, " +
                                   "schema " + log_safe(reply.at(1).text, 20) + "; this one knows schema " +
                                   schema);
  }
  if (changes.size() > version) return damaged_change(link_.address(), version);
  std::uint64_t at = version - changes.size();
  std::vector<std::string> touched;
  const auto touch = [&touched](const std::string& table) {
    if (std::ranges::find(touched, table) == touched.end()) touched.push_back(table);
  };
  if (reply.at(2).number != 0) {
    std::string rows;
    if (at > 0) {
      auto opened = open_change("rows", at, reply.at(3).text);
      if (!opened) return damaged_change(link_.address(), at);
      rows = *std::move(opened);
    }
    version_ = 0;  // Should it fail half way, all is read again.
    CANOPY_TRY_VOID(begin_anew(database, rows));
    version_ = at;
    for (const Table& table : tables()) touch(std::string(table.name));
  }
  if (at != version_) return damaged_change(link_.address(), at);
  for (const RedisReply& change : changes) {
    const auto bytes = open_change("change", version_ + 1, change.text);
    if (!bytes) return damaged_change(link_.address(), version_ + 1);
    CANOPY_TRY(const auto tables_of_change, apply_changes(database, *bytes));
    ++version_;
    for (const std::string& table : tables_of_change) touch(table);
  }
  return touched;
}

Result<void> RedisReplica::offer(const std::string& changes) {
  was_late_ = false;
  const auto asked = ask(link_, Script::catalog_commit,
                         {std::to_string(version_), seal_change("change", version_ + 1, changes)});
  if (!asked) return tl::unexpected(not_now(asked.error()));
  const RedisReply& reply = *asked;
  if (reply.at(0).number == 0) {
    was_late_ = true;
    return fail(Code::unavailable,
                "another server changes functions or users at this very moment; try again");
  }
  ++version_;
  count_ = reply.at(1).as_unsigned();
  bytes_ = reply.at(2).as_unsigned();
  return {};
}

Result<void> RedisReplica::fold(Database& database) {
  if (count_ < list_count_max && bytes_ < list_bytes_max) return {};
  CANOPY_TRY(const std::string rows, all_rows(database, tables()));
  CANOPY_TRY_VOID(
      ask(link_, Script::catalog_fold, {std::to_string(version_), seal_change("rows", version_, rows)}));
  count_ = bytes_ = 0;
  return {};
}

}  // namespace canopy::store
