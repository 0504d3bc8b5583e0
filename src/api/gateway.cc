#include "api/gateway.h"

#include <algorithm>
#include <string>
#include <utility>

#include "api/batch_calls.h"
#include "api/calls.h"
#include "api/deploy.h"
#include "api/dispatch.h"
#include "api/durable_calls.h"
#include "api/events.h"
#include "api/functions.h"
#include "api/keys.h"
#include "api/logs.h"
#include "api/nodes.h"
#include "api/openapi.h"
#include "api/other_sites.h"
#include "api/pages.h"
#include "api/secrets.h"
#include "api/usage.h"
#include "api/users.h"
#include "base/log.h"

namespace canopy::api {
namespace {

constexpr std::uint64_t small_body_bytes = 64 * KiB;
constexpr std::size_t spaces_named_max = 5;

// So small that reading it costs less than asking who sends it; that is asked later.
bool is_small(std::string_view content_length) {
  return !content_length.empty() && content_length.size() < 5;
}

constexpr std::string_view exposed_headers =
    "X-Call-Id, X-Duration-Seconds, X-Queue-Seconds, X-Cold-Start, X-Memory-Bytes, X-Log-Dropped-Bytes, "
    "Location, Retry-After";

net::HttpResponse text_response(std::string_view text, std::string_view type) {
  net::HttpResponse response;
  response.content_type = type;
  response.body = text;
  return response;
}

Error means_nothing(const net::HttpRequest& request, const wire::Route& route) {
  std::string message = log_safe(request.method, 40) + " means nothing at " + log_safe(request.path, 200) +
                        "; what does is: " + std::string(route.allowed);
  if (request.method == "PUT" && !route.function.space.empty() && route.function.name.empty()) {
    message += "; a name is missing, as in " + log_safe(request.path, 200) + "/NAME";
  }
  return {Code::invalid, std::move(message)};
}

net::HttpResponse wrong_method(const net::HttpRequest& request, const wire::Route& route) {
  net::HttpResponse response = error_with_status(405, means_nothing(request, route));
  response.headers.push_back({"Allow", std::string(route.allowed)});
  return response;
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

net::Task<net::HttpResponse> refuse_with(net::HttpResponse response) { co_return response; }

// In a namespace of somebody else's there is nothing to be seen; the words are the same whatever is there.
Error nothing_there(const wire::Route& route, const Principal& who, std::string_view method) {
  if (route.target == wire::Target::secret) {
    return {Code::not_found, "there is no namespace " + route.function.space + " of yours"};
  }
  const auto& spaces = who.subject.spaces;
  std::string yours = spaces.empty() ? "no namespace" : "the namespace";
  if (spaces.size() > 1) yours += "s";
  for (std::size_t i = 0; i < std::min(spaces.size(), spaces_named_max); ++i) {
    yours += (i == 0 ? " " : ", ") + spaces[i];
  }
  if (spaces.size() > spaces_named_max) yours += " and others";
  if (route.target == wire::Target::function && method == "PUT" && !spaces.empty()) {
    const std::string name = spaces.front() + "/" + route.function.name;
    yours += "; deploy it as " + name + ", with --name=" + name;
  }
  return {Code::not_found,
          "there is no function " + to_text(route.function) + " for your key, which is for " + yours};
}

}  // namespace

Gateway::Gateway(Platform& platform, exec::Core& core)
    : platform_(platform),
      core_(core),
      caller_(platform, core),
      doorman_(platform.catalog.users(), platform.place, platform.clock) {}

net::Task<net::HttpResponse> Gateway::handle(net::HttpExchange& exchange) {
  if (!platform_.options.cors_origin.empty()) return across_origins(exchange);
  return dispatch(exchange);
}

// Not a coroutine: on the hot path one more frame would be felt.
net::Task<net::HttpResponse> Gateway::dispatch(net::HttpExchange& exchange) {
  const auto& request = exchange.request();
  if (Protocol* const protocol = protocol_of(request)) return serve_protocol(exchange, *protocol);
  auto route = wire::parse_route(request.method, request.path);
  const auto need = route ? need_of(route->target, request.method) : policy::Need{};
  auto who = doorman_.identify(request);
  if (!who && need.reach == policy::Reach::everybody) who = doorman_.nobody();
  if (!who) return refuse_with(unauthorized_response(who.error()));
  if (!route) return refuse_with(error_response(route.error()));
  switch (policy::judge((*who)->subject, need, route->function.space)) {
    case policy::Verdict::hidden:
      return refuse_with(error_response(nothing_there(*route, **who, request.method)));
    case policy::Verdict::refused:
      return refuse_with(error_response(role_too_low(**who, need)));
    case policy::Verdict::allowed:
      break;
  }
  if (route->target == wire::Target::call) return caller_.call(exchange, *std::move(route));
  if (need.reach != policy::Reach::everybody && (*who)->from_key == nullptr) {
    if (const auto error = keep_out(request, platform_.options, platform_.place)) {
      return refuse_with(error_response(*error));
    }
  }
  return serve(exchange, *std::move(route), *std::move(who));
}

Protocol* Gateway::protocol_of(const net::HttpRequest& head) const {
  for (Protocol* const protocol : platform_.protocols) {
    if (protocol->claims(head)) return protocol;
  }
  return nullptr;
}

net::Task<net::HttpResponse> Gateway::serve_protocol(net::HttpExchange& exchange, Protocol& protocol) {
  auto who = doorman_.identify(exchange.request());
  std::optional<Error> refusal;
  if (!who) {
    refusal = std::move(who).error();
  } else if ((*who)->from_key == nullptr) {
    const auto error = keep_out(exchange.request(), platform_.options, platform_.place);
    if (error) co_return error_response(*error);
  }
  const Here here{platform_, core_, caller_, doorman_, refusal ? doorman_.nobody() : *std::move(who)};
  co_return co_await protocol.serve(here, exchange, refusal);
}

net::Task<net::HttpResponse> Gateway::serve(net::HttpExchange& exchange, wire::Route route,
                                            std::shared_ptr<const Principal> who) {
  using wire::Target;
  const Here here{platform_, core_, caller_, doorman_, std::move(who)};
  const auto& method = exchange.request().method;
  if (is_durable(platform_, route)) co_return co_await serve_durable(here, exchange, std::move(route));
  switch (route.target) {
    case Target::function:
      if (method == "PUT") co_return co_await put_function(here, exchange, std::move(route.function));
      if (method == "DELETE") co_return co_await remove_function(here, exchange, std::move(route.function));
      co_return get_function(here, exchange.request(), route.function);
    case Target::versions:
      co_return co_await list_versions(here, exchange, std::move(route.function));
    case Target::rollback:
      co_return co_await roll_back(here, exchange, std::move(route.function));
    case Target::batch_calls:
      co_return co_await submit_batch(here, exchange, std::move(route.function));
    case Target::function_logs:
      co_return co_await function_logs(here, exchange, std::move(route.function));
    case Target::calls:
      co_return co_await list_calls(here, exchange);
    case Target::call_record:
      if (method == "DELETE") co_return co_await cancel_call(here, exchange, route.call);
      co_return co_await get_call(here, exchange, route.call);
    case Target::call_result:
      co_return co_await get_result(here, exchange, route.call);
    case Target::call_logs:
      co_return co_await call_logs(here, exchange, route.call);
    case Target::events:
      co_return co_await follow_events(here, exchange);
    case Target::nodes:
      co_return co_await list_nodes(here, exchange);
    case Target::dispatch:
      if (method == "PUT") co_return co_await set_dispatch(here, exchange);
      co_return get_dispatch(here, exchange.request());
    case Target::metrics:
      co_return co_await metrics(here, exchange);
    case Target::debug_state:
      co_return co_await debug_state(here, exchange);
    case Target::users:
    case Target::user:
    case Target::keys:
    case Target::key:
    case Target::quota:
    case Target::usage:
    case Target::secret:
    case Target::audit:
    case Target::login:
      co_return co_await serve_access(here, exchange, std::move(route));
    default:
      co_return answer(here, exchange.request(), route);
  }
}

net::Task<net::HttpResponse> Gateway::serve_access(const Here& here, net::HttpExchange& exchange,
                                                   wire::Route route) {
  using wire::Target;
  const auto& method = exchange.request().method;
  switch (route.target) {
    case Target::users:
      if (method == "POST") co_return co_await add_user(here, exchange);
      co_return list_users(here, exchange.request());
    case Target::user:
      if (method == "PATCH") co_return co_await change_user(here, exchange, std::move(route.item));
      if (method == "DELETE") co_return co_await remove_user(here, exchange, std::move(route.item));
      co_return get_user(here, exchange.request(), route.item);
    case Target::keys:
      if (method == "POST") co_return co_await add_key(here, exchange);
      co_return list_keys(here, exchange.request());
    case Target::key:
      co_return co_await remove_key(here, exchange, std::move(route.item));
    case Target::quota:
      if (method == "PUT") co_return co_await set_quotas(here, exchange, std::move(route.item));
      co_return get_quotas(here, exchange.request(), route.item);
    case Target::usage:
      co_return co_await get_usage(here, exchange);
    case Target::secret:
      if (method == "DELETE") {
        co_return co_await remove_secret(here, exchange, std::move(route.function.space),
                                         std::move(route.item));
      }
      co_return co_await set_secret(here, exchange, std::move(route.function.space), std::move(route.item));
    case Target::audit:
      co_return co_await get_audit(here, exchange);
    default:
      co_return co_await log_in(here, exchange);
  }
}

// What can be said at once.
net::HttpResponse Gateway::answer(const Here& here, const net::HttpRequest& request,
                                  const wire::Route& route) const {
  using wire::Target;
  switch (route.target) {
    case Target::functions:
      return list_functions(here, request, route.function.space);
    case Target::secrets:
      return list_secrets(here, request, route.function.space);
    case Target::quotas:
      return get_quotas(here, request, "");
    case Target::healthz:
      return json_response(R"({"status":"ok"})");
    case Target::readyz:
      return readiness();
    case Target::openapi:
      return text_response(openapi_json(platform_.program_version, platform_.protocols), "application/json");
    case Target::docs:
      return docs_page();
    case Target::dashboard:
      return home_page(platform_.program_version);
    case Target::options:
      return allowed_methods(route);
    case Target::wrong_method:
      return wrong_method(request, route);
    default:
      return error_response({Code::internal, "a route without an answer"});
  }
}

net::HttpResponse Gateway::readiness() const {
  if (platform_.draining) {
    return error_response(
        {Code::unavailable, "the server finishes what runs and then stops; ask another one"});
  }
  const scale::Cluster* const cluster = platform_.cluster;
  if (cluster != nullptr && cluster->ready_count() == 0 && cluster->rules().mode != policy::Dispatch::local) {
    return error_response({Code::unavailable,
                           "calls are dispatched to workers, and none has joined; start one with canopy node "
                           "--role=worker --join=" +
                               cluster->address()});
  }
  return json_response(R"({"status":"ready"})");
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

Result<std::uint64_t> Gateway::body_limit(const net::HttpRequest& head) {
  const bool small = is_small(head.header("Content-Length"));
  if (const Protocol* const protocol = protocol_of(head)) return body_limit(head, *protocol);
  CANOPY_TRY(const auto route, wire::parse_route(head.method, head.path));
  const Options& options = platform_.options;
  if (!small) CANOPY_TRY_VOID(doorman_.identify(head));
  using wire::Target;
  if (!small && route.target == Target::wrong_method) return tl::unexpected(means_nothing(head, route));
  if (route.target == Target::call || route.target == Target::async_call ||
      route.target == Target::batch_calls) {
    return options.body_bytes_max;
  }
  if (route.target == Target::function && head.method == "PUT") return options.code_bytes_max;
  return small_body_bytes;
}

Result<std::uint64_t> Gateway::body_limit(const net::HttpRequest& head, const Protocol& protocol) {
  const bool small = is_small(head.header("Content-Length"));
  if (!small && !protocol.is_open()) CANOPY_TRY_VOID(doorman_.identify(head));
  return protocol.body_bytes_max(head);
}

CoreReport Gateway::report() {
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
