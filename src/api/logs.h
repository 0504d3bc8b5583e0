#pragma once
// The logs of calls: of one, or of a function's last ones; as they are, or followed live.

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

// GET /v1/calls/{id}/logs. The log as text, with a last line that counts what was not kept; as server-sent
// events with ?follow=true or `Accept: text/event-stream`: `log` for each piece, `end` when the call is over.
net::Task<net::HttpResponse> call_logs(const Here& here, net::HttpExchange& exchange, CallId id);

// GET /v1/functions/{ns}/{fn}/logs?tail=N&since=10m. {"function": …, "logs": [{"call", "version", "queued",
// "state", "text", "dropped_bytes"}], "more"}, oldest first: those of the last calls, about 8MiB at most;
// "more" is true where older ones were left out for that. As server-sent events the same way, without an end.
net::Task<net::HttpResponse> function_logs(const Here& here, net::HttpExchange& exchange, FunctionName name);

// Leaves the last `lines` lines of all `records`, which stand newest first, and drops those without any.
void keep_tail(std::vector<Record>& records, std::uint64_t lines);

}  // namespace canopy::api
