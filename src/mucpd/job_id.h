#pragma once
// MUCPD's job ids look like MongoDB's: 24 hexadecimal digits. Ours are what is left of a durable call's id.

#include <optional>
#include <string>
#include <string_view>

#include "store/call_log.h"

namespace canopy::mucpd {

std::string job_text(store::ShortId id);

// Nothing where it has not 24 hexadecimal digits, of either case.
std::optional<store::ShortId> parse_job_id(std::string_view text);

// Whether MongoDB's driver took it for an id: 24 hexadecimal digits, or any twelve characters.
bool is_object_id(std::string_view text);

}  // namespace canopy::mucpd
