#pragma once
// What was used, and who changed what, over HTTP.

#include <vector>

#include "api/here.h"
#include "net/task.h"
#include "store/users.h"

namespace canopy::api {

// GET /v1/usage?user=&namespace=&function=&since=30d&by=day&limit=&after=. {"usage": [{"user", "function",
// "calls", "errors", "run_ms", "cpu_ms", "memory_mib_seconds", "input_bytes", "output_bytes", "log_bytes"}],
// "next"}, with "day" where `by` asks for it. Up to this moment; one's own, or an administrator's any.
//   unavailable  a core has not handed in what it has metered
net::Task<net::HttpResponse> get_usage(const Here& here, net::HttpExchange& exchange);

// What was used up to this moment, which is on the disk then; at most `limit` rows.
//   unavailable  also where a core has not handed in what it has metered
net::Task<Result<std::vector<store::UsageRow>>> used(const Here& here, store::UsageFilter filter,
                                                     std::size_t limit);

// GET /v1/audit?limit=&after=. {"audit": [{"id", "at", "user", "key", "action", "target", "detail"}],
// "next"}, the newest first.
net::Task<net::HttpResponse> get_audit(const Here& here, net::HttpExchange& exchange);

// On `core`: hands in what it has metered; on the first core, has what was handed in written.
void flush_usage(Platform& platform, exec::Core& core);

}  // namespace canopy::api
