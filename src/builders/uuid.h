#pragma once
// The ids of FaaS Builders: random UUIDs. A function's is its name here; a task's is what is left of the id
// of its durable call, which has six bits more than a random UUID has room for, so nothing has to be kept
// beside the log.

#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "base/id.h"
#include "base/uuid.h"
#include "store/call_log.h"

namespace canopy::builders {

// As pydantic takes it: 32 hexadecimal digits of either case, alone, in groups, in braces or behind
// "urn:uuid:". The error is what it says after "Input should be a valid UUID, ".
tl::expected<Uuid, std::string> parse_uuid(std::string_view text);

Uuid task_uuid(CallId id);
// The call of which that is the id; nothing where it cannot be one of this log's.
std::optional<CallId> find_call_id(const store::CallLog& log, const Uuid& task);

}  // namespace canopy::builders
