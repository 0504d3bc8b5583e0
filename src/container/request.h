#pragma once
// A call as an HTTP request to the server in a container.

#include <string>
#include <string_view>

#include "base/error.h"
#include "model/call.h"

namespace canopy::container {

// All up to the body, which is the call's input.
//   invalid  its method, path or a header is none that HTTP can carry
Result<std::string> request_head(const Call& call);

// Whether a header of a response belongs to the connection, and not to the reply.
bool is_connection_header(std::string_view name);

}  // namespace canopy::container
