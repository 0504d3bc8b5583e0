#pragma once
// Who may do what: users, their keys, what they may have and what they used. Plain data.
//
// A namespace belongs to one user, and all that is in it. A key is its user's, and may be worth less: a lower
// role, some of the namespaces, until some day.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/sha256.h"
#include "model/function.h"

namespace canopy {

// Each may do what those before it may.
enum class Role : std::uint8_t {
  caller,     // Calls functions, and asks after a call it knows the id of.
  developer,  // Deploys, removes, lists and looks at what is in the user's namespaces; makes keys.
  admin,      // Everything, everywhere.
};

std::string_view name(Role role);
std::optional<Role> parse_role(std::string_view text);

// What all functions of a user may have together. Nothing: without bound.
struct Quotas {
  std::optional<std::uint64_t> functions;
  std::optional<std::uint64_t> code_bytes;    // Of the current versions, with files and variables.
  std::optional<std::uint64_t> concurrency;   // Calls under way at once.
  std::optional<std::uint64_t> queued_calls;  // Durable calls that wait.
  std::optional<std::uint64_t> calls_per_minute;
  std::optional<std::uint64_t> log_bytes_per_minute;
  std::optional<std::uint64_t> result_bytes_per_minute;
  bool operator==(const Quotas&) const = default;
};

// Their names, in the API and on the command line.
struct QuotaField {
  std::string_view name;
  std::optional<std::uint64_t> Quotas::* value;
  bool is_size = false;
};
inline constexpr std::array<QuotaField, 7> quota_fields = {
    {{"functions", &Quotas::functions},
     {"code_bytes", &Quotas::code_bytes, true},
     {"concurrency", &Quotas::concurrency},
     {"queued_calls", &Quotas::queued_calls},
     {"calls_per_minute", &Quotas::calls_per_minute},
     {"log_bytes_per_minute", &Quotas::log_bytes_per_minute, true},
     {"result_bytes_per_minute", &Quotas::result_bytes_per_minute, true}}};

// What a new user has who is given nothing else; an admin has no bounds.
Quotas default_quotas(Role role);

struct User {
  std::uint64_t id = 0;  // Never used twice, as names may be. 0 is nobody.
  std::string name;      // By the rules of a part of a function's name.
  Role role = Role::developer;
  bool disabled = false;            // Its keys open nothing.
  std::vector<std::string> spaces;  // Its namespaces, sorted.
  Quotas quotas;
  std::string password_hash;  // "": it has none.
  WallTime created{};
  bool operator==(const User&) const = default;
};

struct Key {
  std::string id;
  std::uint64_t user = 0;
  std::string label;                // Whatever reminds its owner what it is for.
  Role role = Role::developer;      // No more than its user's counts.
  std::vector<std::string> spaces;  // Empty: all of its user's.
  Sha256Digest digest{};            // Of its secret.
  WallTime created{};
  WallTime expires{};  // The epoch: never.
  bool operator==(const Key&) const = default;
};

// One line of the audit log.
struct AuditEntry {
  std::uint64_t id = 0;  // Counts up.
  WallTime at{};
  std::string user;    // Who did it; "" where nobody had to say who they are.
  std::string key;     // With which key.
  std::string action;  // "user.create"
  std::string target;  // "alice"
  std::string detail;  // What of it; never a secret.
};

// What a function of a user took within one day, in UTC.
struct DayUsage {
  std::int64_t day = 0;  // Days since 1970-01-01.
  std::uint64_t user = 0;
  FunctionName function;
  std::uint64_t call_count = 0;
  std::uint64_t error_count = 0;
  Duration run_time{};
  Duration cpu_time{};
  std::uint64_t memory_kib_us = 0;  // Memory times run time, in KiB and microseconds.
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t log_bytes = 0;

  void add(const DayUsage& other);
};

}  // namespace canopy
