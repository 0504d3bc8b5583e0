#pragma once
// GET and PUT /v1/dispatch: which way calls go to what runs them, for all functions and for some.
//
//   {"mode": "push", "functions": {"demo/near": "local"}, "listen": "127.0.0.1:9090", "workers": 3}
//
// Of a change, what is not named stays, and a function's null ends its exception. It holds until the server
// ends.
//
// Threads: a core's.

#include "api/here.h"
#include "net/http.h"
#include "net/task.h"

namespace canopy::api {

net::HttpResponse get_dispatch(const Here& here, const net::HttpRequest& request);
net::Task<net::HttpResponse> set_dispatch(const Here& here, net::HttpExchange& exchange);

}  // namespace canopy::api
