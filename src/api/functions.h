#pragma once
// Looking at functions: the list, one of them, its versions.

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

// GET /v1/functions[/{ns}]?limit=&after=. {"functions": […], "next": name or null}; all namespaces where
// `space` is empty.
net::HttpResponse list_functions(const Here& here, const net::HttpRequest& request, std::string_view space);

// GET /v1/functions/{ns}/{fn}
net::HttpResponse get_function(const Here& here, const net::HttpRequest& request, const FunctionName& name);

// GET /v1/functions/{ns}/{fn}/versions. {"function": …, "current": N, "versions": […]}, newest first.
net::Task<net::HttpResponse> list_versions(const Here& here, net::HttpExchange& exchange, FunctionName name);

// The error where there is no function of that name.
Error no_such_function(const FunctionName& name);

}  // namespace canopy::api
