#include "api/dispatch.h"

#include <utility>

#include "api/fields.h"
#include "api/parameters.h"
#include "base/log.h"
#include "policy/dispatch.h"
#include "wire/json_writer.h"

namespace canopy::api {
namespace {

constexpr std::size_t exceptions_max = 1000;

std::string dispatch_json(const scale::Cluster* cluster) {
  const policy::DispatchRules rules = cluster == nullptr ? policy::DispatchRules{} : cluster->rules();
  wire::JsonWriter json;
  json.begin_object();
  json.member("mode", policy::to_text(rules.mode));
  json.key("functions");
  json.begin_object();
  for (const auto& [name, way] : rules.functions) json.member(to_text(name), policy::to_text(way));
  json.end_object();
  json.key("listen");
  cluster == nullptr ? json.null() : json.value(cluster->address());
  json.member("workers", cluster == nullptr ? 0 : cluster->ready_count());
  json.end_object();
  return json.take_text();
}

tl::unexpected<Error> too_many() {
  return fail(Code::invalid, "more than " + std::to_string(exceptions_max) +
                                 " functions would have a way of their own; change the mode instead");
}

Result<void> read_exceptions(const boost::json::object& from, const store::Snapshot& deployed,
                             policy::DispatchRules& rules) {
  if (from.size() > exceptions_max) return too_many();
  for (const auto& [key, value] : from) {
    CANOPY_TRY(FunctionName name, parse_function_name({key.data(), key.size()}));
    if (value.is_null()) {
      rules.functions.erase(name);
      continue;
    }
    const auto* const text = value.if_string();
    if (text == nullptr) {
      return fail(Code::invalid,
                  "the way of " + to_text(name) + " is no text; write local, push, pull or null");
    }
    CANOPY_TRY(const policy::Dispatch way, policy::parse_dispatch({text->data(), text->size()}));
    if (!deployed.functions.contains(name)) {
      return fail(Code::not_found,
                  "no function " + to_text(name) +
                      " is deployed, so its calls go nowhere; deploy it first, or see canopy list");
    }
    rules.functions.insert_or_assign(std::move(name), way);
  }
  if (rules.functions.size() > exceptions_max) return too_many();
  return {};
}

Result<policy::DispatchRules> read_rules(const std::string& body, const store::Snapshot& deployed,
                                         policy::DispatchRules rules) {
  CANOPY_TRY(const auto fields, Fields::read_some(body, {"mode", "functions"}));
  CANOPY_TRY(const auto mode, fields.text("mode"));
  if (mode) {
    CANOPY_TRY(rules.mode, policy::parse_dispatch(*mode));
  }
  CANOPY_TRY(const auto functions, fields.object("functions"));
  if (functions) CANOPY_TRY_VOID(read_exceptions(*functions, deployed, rules));
  return rules;
}

}  // namespace

net::HttpResponse get_dispatch(const Here& here, const net::HttpRequest& request) {
  const auto parameters = Parameters::read(request.query, {});
  if (!parameters) return error_response(parameters.error());
  return json_response(dispatch_json(here.platform.cluster));
}

net::Task<net::HttpResponse> set_dispatch(const Here& here, net::HttpExchange& exchange) {
  scale::Cluster* const cluster = here.platform.cluster;
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const auto rules = read_rules(exchange.request().body, *here.platform.catalog.snapshot(),
                                cluster == nullptr ? policy::DispatchRules{} : cluster->rules());
  if (!rules) co_return error_response(rules.error());
  if (cluster == nullptr && policy::needs_workers(*rules)) {
    co_return error_response({Code::conflict,
                              "no worker can join this server, so its calls stay local; start it with "
                              "--node-listen=HOST:PORT"});
  }
  if (cluster != nullptr) {
    cluster->set_rules(*rules);
    log::info("calls are dispatched by {} now, but for {} functions, by the word of {}",
              policy::to_text(rules->mode), rules->functions.size(),
              here.who->user_name.empty() ? "a client" : log_safe(here.who->user_name));
  }
  co_return json_response(dispatch_json(cluster));
}

}  // namespace canopy::api
