#pragma once
// What a call answers its client: the function's reply, or the error that took its place, with what the call
// used in headers.

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/id.h"
#include "model/call.h"
#include "net/http.h"

namespace canopy::api {

inline constexpr std::size_t reply_header_count_max = 200;
inline constexpr std::size_t reply_header_bytes_max = 32 * KiB;

// Why `reply` cannot be sent as it is, though the function ended well; nothing where it can.
//   function_failed  a status that is none, or an interim one
//   limit            more or longer headers than the two bounds above
std::optional<Error> check_reply(const Reply& reply);

// Takes what it sends out of `reply`. The function's own headers are passed on, but for those that belong to
// the connection or to Canopy. Output without a Content-Type is text if it looks like it.
net::HttpResponse call_response(Reply& reply, CallId id);

// {"error": …} with its status, and Retry-After where trying again makes sense.
net::HttpResponse error_response(const Error& error, std::optional<CallId> id = std::nullopt,
                                 Duration retry_after = std::chrono::seconds(1));

// X-Call-Id and what the call used.
void add_usage(const Usage& usage, CallId id, net::HttpResponse& response);

// Appends "12.000345" for a duration, to the microsecond or, below a millisecond, to the nanosecond.
void append_seconds(Duration duration, std::string& out);

// Whether `output` can be shown as text, as far as its first 2KiB tell: UTF-8 without control characters but
// for spacing and colours.
bool looks_like_text(std::string_view output);

}  // namespace canopy::api
