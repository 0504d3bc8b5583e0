#pragma once
// Users over HTTP: for administrators, but for what a user may see and change of itself.

#include <string>
#include <string_view>

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

// In the same words for a user that is not there and for one that is not to be seen.
Error no_such_user(std::string_view name);

// GET /v1/users?limit=&after=. {"users": […], "next"}, by name.
net::HttpResponse list_users(const Here& here, const net::HttpRequest& request);

// POST /v1/users {"name", "role", "namespaces", "password", "quotas", "key": true}. 201 {"user": …, "key":
// …}. Without "namespaces" it gets the one of its own name. Where there was no user yet, it must be an admin,
// and from then on keys are demanded.
net::Task<net::HttpResponse> add_user(const Here& here, net::HttpExchange& exchange);

// GET /v1/users/{name}: one's own, or an administrator's any.
net::HttpResponse get_user(const Here& here, const net::HttpRequest& request, const std::string& name);

// PATCH /v1/users/{name} {"role", "disabled", "namespaces", "quotas", "password"}. Of itself a user changes
// the password only. The last administrator stays one.
net::Task<net::HttpResponse> change_user(const Here& here, net::HttpExchange& exchange, std::string name);

// DELETE /v1/users/{name}. 403 for oneself, 409 while there are functions in its namespaces.
net::Task<net::HttpResponse> remove_user(const Here& here, net::HttpExchange& exchange, std::string name);

// POST /v1/login {"user", "password", "expires"}. 201 with a key that expires, in 12h where nothing is said.
//   unauthorized  the name or the password is wrong; which of them, nobody learns
//   exhausted     too many tries
net::Task<net::HttpResponse> log_in(const Here& here, net::HttpExchange& exchange);

// GET /v1/quotas: one's own; GET, PUT /v1/quotas/{user}: for administrators.
// {"user", "quotas": {…}, "used": {"functions", "code_bytes", "concurrency"}}
net::HttpResponse get_quotas(const Here& here, const net::HttpRequest& request, const std::string& name);
net::Task<net::HttpResponse> set_quotas(const Here& here, net::HttpExchange& exchange, std::string name);

}  // namespace canopy::api
