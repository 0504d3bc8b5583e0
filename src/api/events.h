#pragma once
// GET /v1/events?function=: what happens, as server-sent events: function.deployed, function.rolled_back,
// function.removed with the function as JSON, call.started and call.ended with the call as JSON; and `lost`
// with a count where the client was slower than that.

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

net::Task<net::HttpResponse> follow_events(const Here& here, net::HttpExchange& exchange);

}  // namespace canopy::api
