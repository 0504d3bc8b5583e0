#include "api/secrets.h"

#include <utility>

#include "api/auth.h"
#include "api/change.h"
#include "api/page.h"
#include "api/parameters.h"
#include "base/log.h"
#include "wire/json_writer.h"

namespace canopy::api {
namespace {

void write_name(wire::JsonWriter& json, const store::SecretName& name) {
  json.member("namespace", name.space);
  json.key("function");
  name.function.empty() ? json.null() : json.value(name.function);
  json.member("name", name.name);
}

// "ns/NAME" is a namespace's, "ns/fn/NAME" a function's.
std::string place_text(const store::SecretName& name) {
  return name.space + "/" + (name.function.empty() ? "" : name.function + "/") + name.name;
}

Result<store::SecretName> read_place(const std::string& text) {
  const std::size_t first = text.find('/');
  const std::size_t last = text.rfind('/');
  if (first == std::string::npos) {
    return fail(Code::invalid, "the parameter 'after': '" + log_safe(text, 80) +
                                   "' is no secret; give what an answer had as 'next'");
  }
  return store::SecretName{.space = text.substr(0, first),
                           .function = first == last ? "" : text.substr(first + 1, last - first - 1),
                           .name = text.substr(last + 1)};
}

Result<store::SecretName> read_name(const net::HttpRequest& request, std::string space, std::string name) {
  CANOPY_TRY(const auto parameters, Parameters::read(request.query, {"function"}));
  store::SecretName secret{.space = std::move(space), .function = {}, .name = std::move(name)};
  secret.function = parameters.text("function").value_or("");
  if (parameters.text("function") && !is_name_part(secret.function)) {
    return fail(Code::invalid, "?function= names a function without its namespace");
  }
  return secret;
}

}  // namespace

net::HttpResponse list_secrets(const Here& here, const net::HttpRequest& request, std::string_view space) {
  const auto parameters = Parameters::read(request.query, {"limit", "after"});
  if (!parameters) return error_response(parameters.error());
  const auto asked = read_page(*parameters);
  if (!asked) return error_response(asked.error());
  store::SecretName after;
  if (asked->after) {
    auto read = read_place(*asked->after);
    if (!read) return error_response(read.error());
    after = *std::move(read);
  }
  wire::JsonWriter json;
  json.begin_object();
  json.key("secrets");
  json.begin_array();
  const auto accounts = here.platform.catalog.users().snapshot();
  PageWriter page(asked->limit);
  for (auto at = accounts->secrets.upper_bound(after); at != accounts->secrets.end(); ++at) {
    const auto& [name, secret] = *at;
    if ((!space.empty() && name.space != space) || !here.who->reaches(name.space)) continue;
    if (!page.takes(place_text(name))) break;
    json.begin_object();
    write_name(json, name);
    json.key("size_bytes");
    secret.value == nullptr ? json.null() : json.value(secret.value->size());
    json.member("changed", secret.changed);
    json.end_object();
  }
  json.end_array();
  page.write_next(json);
  json.end_object();
  return json_response(json.take_text());
}

net::Task<net::HttpResponse> set_secret(const Here& here, net::HttpExchange& exchange, std::string space,
                                        std::string name) {
  const auto secret = read_name(exchange.request(), std::move(space), std::move(name));
  if (!secret) co_return error_response(secret.error());
  store::Users& users = here.platform.catalog.users();
  const std::string& value = exchange.request().body;
  const std::function<Result<bool>()> work = [&] {
    return users.set_secret(*secret, value, here.who->actor());
  };
  const Result<bool> is_new = co_await change(here, work);
  if (!is_new) co_return error_response(is_new.error());
  wire::JsonWriter json;
  json.begin_object();
  write_name(json, *secret);
  json.end_object();
  const int status = *is_new ? 201 : 200;
  co_return json_response(json.take_text(), status);
}

net::Task<net::HttpResponse> remove_secret(const Here& here, net::HttpExchange& exchange, std::string space,
                                           std::string name) {
  const auto secret = read_name(exchange.request(), std::move(space), std::move(name));
  if (!secret) co_return error_response(secret.error());
  store::Users& users = here.platform.catalog.users();
  const std::function<Result<bool>()> work = [&]() -> Result<bool> {
    CANOPY_TRY_VOID(users.remove_secret(*secret, here.who->actor()));
    return true;
  };
  const Result<bool> removed = co_await change(here, work);
  if (!removed) co_return error_response(removed.error());
  wire::JsonWriter json;
  json.begin_object();
  write_name(json, *secret);
  json.end_object();
  co_return json_response(json.take_text());
}

}  // namespace canopy::api
