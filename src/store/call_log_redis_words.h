#pragma once
// What the scripts are told, and where the parts of a call lie.
//
// Threads: any.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "store/call_log_rows.h"
#include "store/redis_connection.h"

namespace canopy::store {

inline constexpr std::size_t operation_bytes = 512;  // What one takes of memory beside its content.

// Redis takes no value of more than 512 MiB, and closes the connection.
inline constexpr std::size_t value_bytes_max = 256 * MiB;
// `what`: "input".
Error too_large_for_redis(std::string_view what);

// Of a call that Redis does not take now.
Error not_kept(const Error& error);

// Microseconds since the epoch, rounded up: the scripts' time.
std::string micros(WallTime time);
// "", "+inf" or more than two centuries from the epoch on: the end of time.
WallTime read_micros(std::string_view text);
// Nanoseconds since the epoch; what is none of the next two centuries is the nearest that is.
WallTime read_nanos(std::int64_t count);

// The callback that is due at a call's end, who pays for it, and when; three times nothing for none.
void append_callback_words(const EndedRow& ended, std::vector<std::string>& words);

// Reads a call: token, state, attempt, since, head, progress, row, callback; and `body_field`, if it is one.
RedisCommand row_command(std::uint64_t number, std::string_view body_field);

}  // namespace canopy::store
