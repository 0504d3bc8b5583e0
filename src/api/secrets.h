#pragma once
// Secrets over HTTP: set, listed by name, removed; never read back. Functions get them as variables.

#include <string>

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

// GET /v1/secrets[/{ns}]. {"secrets": [{"namespace", "function", "name", "size_bytes", "changed"}]}
net::HttpResponse list_secrets(const Here& here, const net::HttpRequest& request, std::string_view space);

// PUT /v1/secrets/{ns}/{name}?function=. The body is the value. 201 where it is new. The next call has it.
net::Task<net::HttpResponse> set_secret(const Here& here, net::HttpExchange& exchange, std::string space,
                                        std::string name);

// DELETE /v1/secrets/{ns}/{name}?function=
net::Task<net::HttpResponse> remove_secret(const Here& here, net::HttpExchange& exchange, std::string space,
                                           std::string name);

}  // namespace canopy::api
