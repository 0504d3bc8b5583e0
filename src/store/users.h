#pragma once
// Who there is, with which keys and secrets; what they used; who changed what, functions included. All of it
// lies in the tables of the catalog (format 2), and all of a change is in one transaction with its line in
// the audit log.
//
//   users        a row each; namespaces: which user each belongs to
//   keys         the SHA-256 of each API key's secret, never the key
//   secrets      sealed (crypto/box.h) under the key in the file secret.key of the data folder, mode 0600, or
//                in the file that an option names; the file is made when the first secret is set
//   usage        a row for each day, user and function
//   audit        one line for each change; the oldest go when there are more than audit_count_max
//
// Threads: all methods may be called from any thread. version() and snapshot() do not block and do not touch
//          the disk; all others block on it: not for an I/O thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "model/user.h"

namespace canopy::store {

inline constexpr std::size_t user_count_max = 100'000;
inline constexpr std::size_t keys_per_user_max = 1000;
inline constexpr std::size_t spaces_per_user_max = 1000;
inline constexpr std::size_t secrets_per_space_max = 1000;
inline constexpr std::size_t secret_size_max = 64 * KiB;
inline constexpr std::uint64_t audit_count_max = 100'000;
inline constexpr std::int64_t usage_days_max = 400;

// Where a secret belongs: to all functions of a namespace, or to one.
struct SecretName {
  std::string space;
  std::string function;  // "": all of them.
  std::string name;      // A variable's: letters, digits and '_', no digit first.
  auto operator<=>(const SecretName&) const = default;
};

struct Secret {
  std::shared_ptr<const std::string> value;  // Null where the key here does not open it.
  WallTime changed{};
};

// All of it at one moment. Immutable.
struct Accounts {
  std::map<std::string, std::shared_ptr<const User>, std::less<>> users;  // By name.
  std::unordered_map<std::uint64_t, std::shared_ptr<const User>> by_id;
  std::map<std::string, std::shared_ptr<const User>, std::less<>> owners;  // By namespace.
  std::map<std::string, std::shared_ptr<const Key>, std::less<>> keys;     // By id.
  std::map<SecretName, Secret> secrets;
  std::string unopened;  // Why not, where there are some that the key here does not open.
};

// Who makes a change; goes into the audit log.
struct Actor {
  std::string user;
  std::string key;
};

// Where a row of usage stands among the others.
struct UsagePlace {
  std::int64_t day = 0;  // 0 where days are added up.
  std::uint64_t user = 0;
  FunctionName function;
};

struct UsageFilter {
  std::optional<std::uint64_t> user = {};
  std::optional<std::string> space = {};
  std::optional<std::string> function = {};  // With `space`.
  std::int64_t first_day = 0;
  std::int64_t last_day = 1'000'000;
  bool by_day = true;  // Else the days are added up.
  // Namespaces that it says no to are left out; empty: none are.
  std::function<bool(std::string_view space)> visible = {};
  std::optional<UsagePlace> after = {};  // Go on behind it.
};

struct UsageRow {
  DayUsage usage;
  std::string user_name;  // As it was when it was used last.
};

class Users {
 public:
  virtual ~Users() = default;

  // Grows by one with each change that snapshot() shows.
  virtual std::uint64_t version() const = 0;
  virtual std::shared_ptr<const Accounts> snapshot() const = 0;

  // All that change: unavailable where the disk is full or read-only.

  // Adds it (id and created are set here), with its first key where that is given.
  //   conflict   its name, or one of its namespaces, is taken
  //   invalid    a name that is none
  //   exhausted  there are as many as may be
  virtual Result<std::shared_ptr<const User>> add_user(User user, std::optional<Key> key,
                                                       const Actor& actor) = 0;
  // Makes it what `change` makes of it; id, name and created stay. `what` goes into the audit log.
  //   not_found, conflict, invalid, and what `change` says
  virtual Result<std::shared_ptr<const User>> change_user(std::string_view name,
                                                          const std::function<Result<void>(User&)>& change,
                                                          std::string_view what, const Actor& actor) = 0;
  // And its keys. Its namespaces belong to nobody then, and so do the secrets in them, which are removed.
  //   not_found
  virtual Result<void> remove_user(std::string_view name, const Actor& actor) = 0;

  // Takes away those of the user's that expired more than a day ago.
  //   not_found  there is no such user
  //   exhausted  the user has as many as may be
  virtual Result<std::shared_ptr<const Key>> add_key(Key key, const Actor& actor) = 0;
  //   not_found
  virtual Result<void> remove_key(std::string_view id, const Actor& actor) = 0;

  // True where it is new.
  //   invalid    a name or value that no environment can hold
  //   exhausted  the namespace has as many as may be
  virtual Result<bool> set_secret(const SecretName& name, std::string_view value, const Actor& actor) = 0;
  //   not_found
  virtual Result<void> remove_secret(const SecretName& name, const Actor& actor) = 0;

  // Adds to the rows of their days; forgets days of more than usage_days_max ago.
  virtual Result<void> add_usage(const std::vector<DayUsage>& rows) = 0;
  // In order of day, user, function; at most `limit`.
  virtual Result<std::vector<UsageRow>> usage(const UsageFilter& filter, std::size_t limit) const = 0;

  // Newest first, below `before` if that is not 0.
  virtual Result<std::vector<AuditEntry>> audit(std::uint64_t before, std::size_t limit) const = 0;
};

}  // namespace canopy::store
