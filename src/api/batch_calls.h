#pragma once
// Many durable calls of one function in one request (wire/batch.h), which are on the disk when it is
// answered.
//
//   POST /v1/functions/{ns}/{fn}/calls   202 where all were taken, 207 where some were not
//   {"calls": [{"id": …, "existed": false}, {"error": {…}}], "accepted": 1}    in the order of the request

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

net::Task<net::HttpResponse> submit_batch(const Here& here, net::HttpExchange& exchange,
                                          FunctionName function);

}  // namespace canopy::api
