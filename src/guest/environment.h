#pragma once
// The environment variables of a call: the function's own, then the request's as CGI has them (RFC 3875).
//
//   GATEWAY_INTERFACE=CGI/1.1  SERVER_PROTOCOL=HTTP/1.1  SERVER_SOFTWARE=canopy  SERVER_NAME=<host>
//   REQUEST_METHOD  SCRIPT_NAME=/function/<ns>/<fn>  PATH_INFO  QUERY_STRING  REQUEST_URI
//   CONTENT_LENGTH, and CONTENT_TYPE where the request has one
//   HTTP_<NAME> for each other header: several of one name are joined with ", " (Cookie: "; ")
//   CANOPY_CALL_ID  CANOPY_FUNCTION=<ns>/<fn>
//   CANOPY_DEADLINE_MS: what is left until the deadline, now; absent where there is none
//
// The function's own variables win: no request can change one. HTTP_PROXY is never set (a header `Proxy`
// would reach the guest's HTTP client), nor is a header whose name holds '_' (it could pass for another).
// Names and values with a NUL are left out; so is what makes the whole larger than environment_bytes_max,
// headers first.

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/call.h"
#include "model/function.h"

namespace canopy::guest {

inline constexpr std::size_t environment_bytes_max = 128 * KiB;

// `call` null: only the function's own.
std::vector<std::string> make_environment(const Function& function, const Call* call, const Clock& clock);

}  // namespace canopy::guest
