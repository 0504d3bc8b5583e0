#pragma once
// What every catalog asks of a function before it takes it, and the words for what it does not have.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "model/function.h"
#include "model/user.h"
#include "store/users.h"

namespace canopy::store {

inline constexpr std::uint64_t description_bytes_max = 4 * MiB;  // Names and values of env, paths of files.
inline constexpr std::size_t file_count_max = 10'000;

// Checks it, and puts its files in order of their paths.
//   invalid    a name, variable or path that no call could be given
//   too_large  more variables or files than fit in description_bytes_max or file_count_max
Result<void> make_ready(Function& function);

// The same but for version and time.
bool same_deployment(const Function& a, const Function& b);

// Which of `versions`, in order of their numbers, are forgotten so that `count_max` are left: of those that
// are neither `current` nor `before`, which was current until now, the oldest.
std::vector<std::uint32_t> outdated(const std::vector<std::uint32_t>& versions, std::uint32_t current,
                                    std::uint32_t before, std::size_t count_max);

// The line of the audit log that goes with a change of that function; version 0 is all of them.
AuditEntry audit_line(std::string_view action, const FunctionName& name, std::uint32_t version,
                      const Actor& actor, WallTime at);

Error no_function(const FunctionName& name);
Error no_version(const FunctionName& name, std::uint32_t version);
Error no_earlier_version(const Function& current);

}  // namespace canopy::store
