#pragma once
// Users, keys, secrets, usage and the audit log as rows of catalog.db: their tables, reading and writing.
//
// Rows carry a seal (sealer.h), but for secrets, which are sealed by their key, and usage, of which a flipped
// bit would be a wrong number and no more.
//
// Threads: as for the Database.

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/user.h"
#include "store/rows.h"
#include "store/sqlite.h"
#include "store/users.h"

namespace canopy::store {

const std::vector<Table>& user_tables();

struct SealedSecret {
  SecretName name;
  std::string sealed;
  WallTime changed{};
};

// All that read: refused if a row is damaged; it is named.
Result<std::vector<User>> read_users(Database& database);
Result<std::vector<Key>> read_keys(Database& database);
Result<std::vector<SealedSecret>> read_secrets(Database& database);
Result<std::vector<AuditEntry>> read_audit(Database& database, std::uint64_t before, std::size_t limit);
Result<std::vector<UsageRow>> read_usage(Database& database, const UsageFilter& filter, std::size_t limit);

// In place of what the id had; its namespaces are those of `user` after it.
Result<void> write_user(Database& database, const User& user);
Result<void> erase_user(Database& database, std::uint64_t id);  // And its keys and namespaces.
Result<void> insert_key(Database& database, const Key& key);
Result<void> erase_key(Database& database, std::string_view id);
Result<void> write_secret(Database& database, const SealedSecret& secret);
Result<void> erase_secret(Database& database, const SecretName& name);
// Numbers it, shortens what is too long, and forgets the oldest beyond audit_count_max.
Result<void> append_audit(Database& database, AuditEntry entry);
Result<void> add_usage_row(Database& database, const DayUsage& usage, std::string_view user_name);
Result<void> erase_usage_before(Database& database, std::int64_t day);

}  // namespace canopy::store
