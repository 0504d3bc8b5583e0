#pragma once
// Many durable calls of one function in one request:
//
//   {"calls": [{"json": [1, 2]}, {"input": "text", "content_type": "text/plain", "timeout": "5s", "retry": 2,
//               "idempotency_key": "mine-17"}]}
//
// Each has `json` (any value; its text, as it stands here, is the input) or `input` (text), or nothing. What
// else it may say means what the headers of a single call do.

#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/durable.h"

namespace canopy::wire {

inline constexpr std::size_t batch_calls_max = 1000;
inline constexpr std::size_t batch_values_max = 1'000'000;  // Of JSON, in all of them.

// The calls in their order, with neither function nor owner; as POST / each.
//   invalid    it is no batch; the message names the call, from 0, and what is wrong with it
//   too_large  more than batch_calls_max, or batch_values_max
Result<std::vector<DurableCall>> parse_batch(std::string_view body);

}  // namespace canopy::wire
