#pragma once
// The verbs about calls: invoke, calls (list, show, wait, result, cancel, retry, dead), logs.

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/verb.h"
#include "net/http_client.h"

namespace canopy::cli {

Result<int> invoke(Command& command, Terminal& terminal);
Result<int> list_calls(Command& command, Terminal& terminal);
Result<int> show_call(Command& command, Terminal& terminal);
Result<int> wait_call(Command& command, Terminal& terminal);
Result<int> print_result(Command& command, Terminal& terminal);
Result<int> cancel_call(Command& command, Terminal& terminal);
Result<int> retry_call(Command& command, Terminal& terminal);
Result<int> list_dead(Command& command, Terminal& terminal);
Result<int> logs(Command& command, Terminal& terminal);

// A reply for programs: {"status", "headers", "body" or "body_base64"}.
std::string response_json(const net::HttpClientResponse& response);

struct CallError {
  Error error;
  bool functions_fault = false;  // It was the function that failed, and not the platform.
};

// What went wrong with a call, where its response says so; nothing where it is the function's own reply,
// whatever its status.
std::optional<CallError> call_error(const net::HttpClientResponse& response);

// Whether an error means that the function failed, and not the platform. `origin` is who has to act, as the
// server says: of a worker process that ended under a call, the platform.
bool is_functions_fault(const Error& error, std::string_view origin);

}  // namespace canopy::cli
