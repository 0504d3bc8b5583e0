#pragma once
// The values of the request headers that mean something to Canopy.
//
// All that fail do so with `invalid` only, and the message names the header.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/words.h"

namespace canopy::wire {

// X-Canopy-Timeout: "5s", "250ms", or plain seconds: "2.5". More than 0, at most an hour.
Result<Duration> parse_timeout(std::string_view value);

// X-Canopy-Retry: how often a failed call is tried again, 0 to 100.
Result<std::uint32_t> parse_retry(std::string_view value);

// Idempotency-Key: 1 to 255 visible characters of ASCII.
Result<std::string> parse_idempotency_key(std::string_view value);

// traceparent (W3C Trace Context): what of a foreign trace a call belongs to. As that standard asks, one that
// is malformed is as good as none.
struct TraceParent {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> parent_id{};
  bool sampled = false;
};
std::optional<TraceParent> parse_traceparent(std::string_view value);

// Of "Text/HTML; charset=utf-8": "text/html", in lower case.
std::string media_type(std::string_view content_type);

// A parameter of a header such as Content-Type or Content-Disposition: `a; name=value; name="va\"lue"`. Its
// name in any case. Nothing where it is absent or malformed.
std::optional<std::string> header_parameter(std::string_view value, std::string_view name);

using canopy::same_word;  // Of two header names.

}  // namespace canopy::wire
