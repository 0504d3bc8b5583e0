#pragma once
// Which door of the native API a request knocks at: its path and method, taken apart and checked once.
//
//   /function/{ns}/{fn}[/{rest}]        any method      /v1/calls[/{id}[/result|/logs|/retry]]
//   /async-function/{ns}/{fn}[/{rest}]  POST            /v1/events  /metrics  /healthz  /readyz
//   /v1/functions[/{ns}[/{fn}[/versions|/rollback|/logs|/calls]]]  /debug/state  /openapi.json  /docs  /
//
//   /v1/users[/{name}]  /v1/keys[/{id}]  /v1/quotas[/{user}]  /v1/usage  /v1/secrets[/{ns}[/{name}]]
//   /v1/audit  /v1/login  /v1/nodes  /v1/dispatch
//
// Names are percent-decoded strictly and once, and then must be names: so "..", "/" and NUL cannot come in
// through an escape. What follows a function's name is the function's own and stays as it was sent.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/id.h"
#include "model/function.h"

namespace canopy::wire {

enum class Target : std::uint8_t {
  call,           // function, rest
  async_call,     // function, rest
  functions,      // GET: list; function.space where the path names one
  function,       // GET, PUT, DELETE: function
  versions,       // GET: function
  rollback,       // POST: function
  function_logs,  // GET: function
  batch_calls,    // POST: function
  calls,          // GET: list
  call_record,    // GET, DELETE: call
  call_result,    // GET: call
  call_logs,      // GET: call
  call_retry,     // POST: call
  events,         // GET, as are all that follow, down to dashboard
  nodes,
  metrics,
  healthz,
  readyz,
  debug_state,
  openapi,
  docs,
  dashboard,
  users,     // GET: list, POST
  user,      // GET, PATCH, DELETE: item is its name
  keys,      // GET: list, POST
  key,       // DELETE: item is its id
  quotas,    // GET: one's own
  quota,     // GET, PUT: item is the user's name
  usage,     // GET
  secrets,   // GET: list; function.space where the path names one
  secret,    // PUT, DELETE: function.space, item is its name
  audit,     // GET
  login,     // POST
  dispatch,  // GET, PUT
  // The path is there and the method is not one of `allowed`: answer 405 with `Allow: <allowed>`.
  wrong_method,
  // OPTIONS on a path of the API: answer 204 with `Allow: <allowed>`. OPTIONS on /function/ is a call.
  options,
};

// `rest` and `allowed` point into the path and into constants.
struct Route {
  Target target = Target::dashboard;
  FunctionName function{};
  std::string_view rest = "";  // Begins with '/'; "/" where the path ends after the name.
  CallId call{};
  std::string item = {};
  std::string_view allowed = "";  // "GET, HEAD, OPTIONS"; "" for a path that takes any method.
};

// `path` is the target of the request up to '?', as it was sent. HEAD is allowed wherever GET is.
//   invalid    a bad escape, a name that is none, an id that is none
//   not_found  no such path
Result<Route> parse_route(std::string_view method, std::string_view path);

}  // namespace canopy::wire
