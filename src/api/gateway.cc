#include "api/gateway.h"

#include <utility>

#include "api/calls.h"
#include "api/deploy.h"
#include "api/events.h"
#include "api/functions.h"
#include "api/logs.h"
#include "api/openapi.h"
#include "api/pages.h"
#include "base/log.h"

namespace canopy::api {
namespace {

constexpr std::uint64_t small_body_bytes = 64 * KiB;

constexpr std::string_view exposed_headers =
    "X-Call-Id, X-Duration-Seconds, X-Queue-Seconds, X-Cold-Start, X-Memory-Bytes, X-Log-Dropped-Bytes, "
    "Location, Retry-After";

net::HttpResponse text_response(std::string_view text, std::string_view type) {
  net::HttpResponse response;
  response.content_type = type;
  response.body = text;
  return response;
}

net::HttpResponse wrong_method(const net::HttpRequest& request, const wire::Route& route) {
  net::HttpResponse response = error_with_status(
      405, {Code::invalid, log_safe(request.method, 40) + " means nothing at " + log_safe(request.path, 200) +
                               "; what does is: " + std::string(route.allowed)});
  response.headers.push_back({"Allow", std::string(route.allowed)});
  return response;
}

net::HttpResponse not_built(std::string_view what) {
  return error_with_status(
      501, {Code::unavailable, std::string(what) + "; call /function/{namespace}/{name}, which "
                                                   "answers with the output"});
}

net::HttpResponse allowed_methods(const wire::Route& route) {
  net::HttpResponse response;
  response.status = 204;
  response.headers.push_back({"Allow", std::string(route.allowed)});
  return response;
}

// A question that a browser asks before it sends what a page wants to send elsewhere.
bool is_preflight(const net::HttpRequest& request) {
  return request.method == "OPTIONS" && !request.header("Origin").empty() &&
         !request.header("Access-Control-Request-Method").empty();
}

net::HttpResponse preflight_answer(const net::HttpRequest& request) {
  net::HttpResponse response;
  response.status = 204;
  response.headers.push_back(
      {"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"});
  if (const auto headers = request.header("Access-Control-Request-Headers"); !headers.empty()) {
    response.headers.push_back({"Access-Control-Allow-Headers", std::string(headers)});
  }
  response.headers.push_back({"Access-Control-Max-Age", "600"});
  return response;
}

}  // namespace

Gateway::Gateway(Platform& platform, exec::Core& core)
    : platform_(platform), core_(core), caller_(platform, core), here_{platform, core, caller_} {}

net::Task<net::HttpResponse> Gateway::handle(net::HttpExchange& exchange) {
  if (!platform_.options.cors_origin.empty()) return across_origins(exchange);
  return dispatch(exchange);
}

// Not a coroutine: on the hot path one more frame would be felt.
net::Task<net::HttpResponse> Gateway::dispatch(net::HttpExchange& exchange) {
  const auto& request = exchange.request();
  auto route = wire::parse_route(request.method, request.path);
  if (route && route->target == wire::Target::call) return caller_.call(exchange, *std::move(route));
  if (route) return serve(exchange, *std::move(route));
  const auto refuse = [](Error error) -> net::Task<net::HttpResponse> { co_return error_response(error); };
  return refuse(std::move(route).error());
}

net::Task<net::HttpResponse> Gateway::serve(net::HttpExchange& exchange, wire::Route route) {
  using wire::Target;
  const auto& method = exchange.request().method;
  switch (route.target) {
    case Target::function:
      if (method == "PUT") co_return co_await put_function(here_, exchange, std::move(route.function));
      if (method == "DELETE") co_return co_await remove_function(here_, exchange, std::move(route.function));
      co_return get_function(here_, exchange.request(), route.function);
    case Target::versions:
      co_return co_await list_versions(here_, exchange, std::move(route.function));
    case Target::rollback:
      co_return co_await roll_back(here_, exchange, std::move(route.function));
    case Target::function_logs:
      co_return co_await function_logs(here_, exchange, std::move(route.function));
    case Target::calls:
      co_return co_await list_calls(here_, exchange);
    case Target::call_record:
      if (method == "DELETE") co_return co_await cancel_call(here_, exchange, route.call);
      co_return co_await get_call(here_, exchange, route.call);
    case Target::call_result:
      co_return co_await get_result(here_, exchange, route.call);
    case Target::call_logs:
      co_return co_await call_logs(here_, exchange, route.call);
    case Target::events:
      co_return co_await follow_events(here_, exchange);
    case Target::metrics:
      co_return co_await metrics(here_, exchange);
    case Target::debug_state:
      co_return co_await debug_state(here_, exchange);
    default:
      co_return answer(exchange.request(), route);
  }
}

// What can be said at once.
net::HttpResponse Gateway::answer(const net::HttpRequest& request, const wire::Route& route) const {
  using wire::Target;
  switch (route.target) {
    case Target::functions:
      return list_functions(here_, request, route.function.space);
    case Target::healthz:
      return json_response(R"({"status":"ok"})");
    case Target::readyz:
      return readiness();
    case Target::openapi:
      return text_response(openapi_json(platform_.program_version), "application/json");
    case Target::docs:
      return docs_page();
    case Target::dashboard:
      return home_page(platform_.program_version);
    case Target::options:
      return allowed_methods(route);
    case Target::wrong_method:
      return wrong_method(request, route);
    case Target::async_call:
      return not_built("asynchronous calls are not built yet");
    case Target::call_retry:
      return not_built("only asynchronous calls can be tried again, and they are not built yet");
    default:
      return error_response({Code::internal, "a route without an answer"});
  }
}

net::HttpResponse Gateway::readiness() const {
  if (!platform_.draining) return json_response(R"({"status":"ready"})");
  return error_response({Code::unavailable, "the server finishes what runs and then stops; ask another one"});
}

net::Task<net::HttpResponse> Gateway::across_origins(net::HttpExchange& exchange) {
  net::HttpResponse response;
  if (is_preflight(exchange.request())) {
    response = preflight_answer(exchange.request());
  } else {
    response = co_await dispatch(exchange);
    response.headers.push_back({"Access-Control-Expose-Headers", std::string(exposed_headers)});
  }
  allow_origin(platform_.options, response);
  co_return response;
}

Result<std::uint64_t> Gateway::body_limit(const net::HttpRequest& head) const {
  CANOPY_TRY(const auto route, wire::parse_route(head.method, head.path));
  const Options& options = platform_.options;
  if (route.target == wire::Target::call) return options.body_bytes_max;
  if (route.target == wire::Target::function && head.method == "PUT") return options.code_bytes_max;
  return small_body_bytes;
}

CoreReport Gateway::report() const {
  CoreReport report;
  report.index = core_.index();
  report.running_count = caller_.running_count();
  report.waiting_count = core_.waiting_count();
  report.runnable_count = core_.runnable_count();
  if (server_ != nullptr) {
    report.connection_count = server_->connection_count();
    report.http = server_->counts();
  }
  const FunctionTable& table = caller_.table();
  report.resident_bytes = table.resident_bytes();
  report.unload_count = table.unload_count();
  report.functions.reserve(table.size());
  table.for_each(
      [&report](const Entry& entry) { report.functions.emplace_back(entry.name, entry.counters); });
  return report;
}

}  // namespace canopy::api
