#pragma once
// A copy of the catalog's tables, and its way to the ones that are shared: takes in what others changed, and
// offers what was changed here.
//
// Threads: one at a time; the catalog locks around it. All block.

#include <cstdint>
#include <string>
#include <vector>

#include "store/redis_link.h"
#include "store/sqlite.h"

namespace canopy::store {

class RedisReplica final : public Journal {
 public:
  explicit RedisReplica(RedisAddress address);

  // A database with tables and nothing in them, for catch_up().
  Result<Database> make_tables();

  // Applies what others changed; the tables that they touched.
  //   unavailable  Redis is away
  //   refused      the first time: what is there is damaged, or of another schema; unavailable later
  Result<std::vector<std::string>> catch_up(Database& database);

  // As Journal: asks Redis to take it.
  //   unavailable  Redis is away, so that it is not known whether it took it; or somebody was faster
  Result<void> offer(const std::string& changes) override;
  // Whether the last offer came too late; once.
  bool take_was_late() { return std::exchange(was_late_, false); }

  // Puts all rows in the place of a list of changes that has become long.
  Result<void> fold(Database& database);

  std::uint64_t version() const { return version_; }

 private:
  Result<std::vector<std::string>> read_changes(Database& database);
  Result<void> begin_anew(Database& database, std::string_view rows);

  RedisLink link_;
  std::uint64_t version_ = 0;
  std::uint64_t count_ = 0;  // Of changes in the list, and their bytes.
  std::uint64_t bytes_ = 0;
  bool was_late_ = false;
  bool opened_ = false;
};

// Of a change or of all rows, with its place: rows and the change that made a version differ.
std::string seal_change(std::string_view kind, std::uint64_t version, std::string_view bytes);
// Nothing where it is damaged.
std::optional<std::string> open_change(std::string_view kind, std::uint64_t version, std::string_view sealed);

}  // namespace canopy::store
