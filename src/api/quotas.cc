#include "api/quotas.h"

#include <utility>

#include "api/auth.h"
#include "api/change.h"
#include "api/fields.h"
#include "api/parameters.h"
#include "api/users.h"
#include "base/log.h"

namespace canopy::api {
namespace {

std::string quotas_json(const Here& here, const User& user) {
  Platform& platform = here.platform;
  const auto kept = Owners::kept(user, platform.catalog.snapshot()->functions, {});
  const auto owner = user.spaces.empty() ? nullptr : platform.owners.of(user.spaces.front());
  wire::JsonWriter json;
  json.begin_object();
  json.member("user", user.name);
  json.key("quotas");
  write_quotas(json, user.quotas);
  json.key("used");
  json.begin_object();
  json.member("functions", kept.functions);
  json.member("code_bytes", kept.code_bytes);
  json.member("concurrency", owner == nullptr ? 0 : owner->running_count());
  json.end_object();
  json.end_object();
  return json.take_text();
}

}  // namespace

void write_quotas(wire::JsonWriter& json, const Quotas& quotas) {
  json.begin_object();
  for (const QuotaField& field : quota_fields) {
    json.key(field.name);
    const auto& value = quotas.*field.value;
    value ? json.value(*value) : json.null();
  }
  json.end_object();
}

Result<void> read_quotas(const boost::json::object& object, Quotas& quotas) {
  CANOPY_TRY(const auto fields, Fields::of(object, quota_names));
  return read_quotas(fields, quotas);
}

Result<void> read_quotas(const Fields& fields, Quotas& quotas) {
  for (const QuotaField& field : quota_fields) {
    if (!fields.has(field.name)) continue;
    CANOPY_TRY(quotas.*field.value, fields.count(field.name));
  }
  return {};
}

net::HttpResponse get_quotas(const Here& here, const net::HttpRequest& request, const std::string& name) {
  const auto parameters = Parameters::read(request.query, {});
  if (!parameters) return error_response(parameters.error());
  const std::string& wanted = name.empty() ? here.who->user_name : name;
  if (wanted.empty()) {
    return error_response({Code::not_found,
                           "there are no users yet, and so no quotas; name one: "
                           "/v1/quotas/NAME"});
  }
  const auto accounts = here.platform.catalog.users().snapshot();
  const auto at = accounts->users.find(wanted);
  if (at == accounts->users.end()) return error_response(no_such_user(wanted));
  return json_response(quotas_json(here, *at->second));
}

net::Task<net::HttpResponse> set_quotas(const Here& here, net::HttpExchange& exchange, std::string name) {
  const auto fields = Fields::read_some(exchange.request().body, quota_names);
  if (!fields) co_return error_response(fields.error());
  store::Users& users = here.platform.catalog.users();
  const auto apply = [&fields](User& user) { return read_quotas(*fields, user.quotas); };
  using Made = std::shared_ptr<const User>;
  const std::function<Result<Made>()> work = [&] {
    return users.change_user(name, apply, "quotas", here.who->actor());
  };
  const Result<Made> made = co_await change(here, work);
  if (!made) co_return error_response(made.error());
  co_return json_response(quotas_json(here, **made));
}

}  // namespace canopy::api
