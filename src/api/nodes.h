#pragma once
// GET /v1/nodes: the processes that run calls.
//
// Threads: a core's; node_json() any.

#include <string>

#include "api/here.h"
#include "model/node.h"
#include "net/http.h"
#include "net/task.h"

namespace canopy::api {

net::Task<net::HttpResponse> list_nodes(const Here& here, net::HttpExchange& exchange);

// A worker, on one line.
std::string node_json(const Node& node);

// The walls around a process, likewise.
std::string walls_json(const Walls& walls);

}  // namespace canopy::api
