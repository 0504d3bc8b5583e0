#pragma once
// Functions as rows of catalog.db, and their reading and writing. user_rows.h has the other tables.
//
// Each row that says something carries a seal (sealer.h).
//
// Threads: as for the Database.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "model/function.h"
#include "store/sqlite.h"

namespace canopy::store {

// In the order in which they are made.
struct Table {
  std::string_view name;
  std::string_view sql;
};
const std::vector<Table>& tables();           // Of format 2: all.
const std::vector<Table>& function_tables();  // Of format 1.

// The error for a row that is not as it was written; the file is named.
tl::unexpected<Error> damaged(Database& database, const std::string& what);

// What is known of a name. It stays when the function is removed, so that no version is used twice.
struct NameRow {
  std::uint32_t current = 0;  // 0: removed.
  std::uint32_t last_version = 0;
};

// All of them: refused if a row is damaged; it is named.
Result<std::optional<NameRow>> read_name(Database& database, const FunctionName& name);
Result<std::vector<Function>> read_current(Database& database);                             // By name.
Result<std::vector<Function>> read_versions(Database& database, const FunctionName& name);  // Newest first.
Result<std::optional<Function>> read_version(Database& database, const FunctionName& name,
                                             std::uint32_t version);
// In order.
Result<std::vector<std::uint32_t>> read_version_numbers(Database& database, const FunctionName& name);
// Of all code and files that any version names.
Result<std::unordered_set<std::string>> read_digests(Database& database);

Result<void> write_name(Database& database, const FunctionName& name, const NameRow& row);
Result<void> insert_version(Database& database, const Function& function);
// With its variables and files.
Result<void> erase_version(Database& database, const FunctionName& name, std::uint32_t version);
Result<void> erase_versions(Database& database, const FunctionName& name);  // All of them.

}  // namespace canopy::store
