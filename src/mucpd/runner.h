#pragma once
// How a function of MUCPD runs here. Its code, in Canopy's eyes, is always the same: the runner, in
// JavaScript, which reads the function's source from a variable in each call, evaluates it as MUCPD did, and
// calls it. So a source is kept as it came, whatever it is; it costs nothing to register; and one that is no
// JavaScript fails where it failed in MUCPD: as the result of its jobs.
//
// What the runner writes are two lines, each JSON: the result as MUCPD's string, and typed.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/function.h"

namespace canopy::mucpd {

std::string_view runner_source();

// Variables of its functions: the names as they were given, and the source.
inline constexpr std::string_view user_variable = "MUCPD_USER";
inline constexpr std::string_view function_variable = "MUCPD_FUNCTION";
inline constexpr std::string_view source_variable = "MUCPD_SOURCE";
// Of the function that stands for a user: the day on which the user was registered (model/user.h), and what
// its namespace had used by then of that day, in nanoseconds. The accounts forget days, so all days before
// would be no good.
inline constexpr std::string_view day_variable = "MUCPD_SINCE_DAY";
inline constexpr std::string_view used_variable = "MUCPD_USED_BEFORE";

struct Registered {
  std::int64_t day = 0;
  Duration used_before{};
};

// As they are deployed, with the runner's source; that which stands for a user does nothing. `timeout` is
// what a job may take.
Function make_function(std::string_view user, std::string_view name, std::string_view source,
                       Duration timeout);
Function make_marker(std::string_view user, const Registered& registered);

// The source of a function that make_function() made; nothing where it is another, deployed by other means.
std::optional<std::string> source_of(const Function& function);
std::string name_of(const Function& function);
// What make_marker() was told. Where it was not told a day, which it is only since a while, that is 0.
Registered registered_of(const Function& marker);

}  // namespace canopy::mucpd
