#pragma once
// The durable calls by HTTP: asked for, looked at, waited for, ended, tried again.
//
//   POST /async-function/{ns}/{fn}   202 {"id": …}, when it is on the disk; Location, X-Call-Id
//   GET /v1/calls/{id}               its record; ?wait=30s waits for the end; followed as text/event-stream
//   GET /v1/calls/{id}/result        the output; 202 while it runs, 410 forgotten, 424 with the error
//   DELETE /v1/calls/{id}            ends it: 200 with its record
//   POST /v1/calls/{id}/retry        202: one that failed runs again
//
// Headers: X-Callback-Url, Idempotency-Key, X-Canopy-Retry, X-Canopy-Timeout (of one attempt), traceparent.

#include "api/here.h"
#include "net/task.h"
#include "store/call_log.h"
#include "wire/route.h"

namespace canopy::api {

// Whether that is a request about durable calls: one for a new one, or about one that the log has.
bool is_durable(const Platform& platform, const wire::Route& route);

net::Task<net::HttpResponse> serve_durable(const Here& here, net::HttpExchange& exchange, wire::Route route);

// As find_call(), of a durable one: with what it has logged.
net::Task<Result<Record>> find_durable(const Here& here, CallId id);

}  // namespace canopy::api
