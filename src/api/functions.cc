#include "api/functions.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "api/deploy.h"
#include "api/page.h"
#include "api/parameters.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

// The first from `at` on that whoever asks may see; what is not theirs is not even counted.
using Functions = std::map<FunctionName, std::shared_ptr<const Function>>;
Functions::const_iterator first_visible(const Principal& who, const Functions& functions,
                                        Functions::const_iterator at) {
  const auto& spaces = who.subject.spaces;
  while (at != functions.end() && !who.reaches(at->first.space)) {
    const auto next = std::ranges::upper_bound(spaces, at->first.space);
    at = next == spaces.end() ? functions.end() : functions.lower_bound({.space = *next, .name = ""});
  }
  return at;
}

}  // namespace

Error no_such_function(const FunctionName& name) {
  return {Code::not_found, "there is no function " + to_text(name) + "; /v1/functions lists what there is"};
}

net::HttpResponse list_functions(const Here& here, const net::HttpRequest& request, std::string_view space) {
  const auto parameters = Parameters::read(request.query, {"limit", "after"});
  if (!parameters) return error_response(parameters.error());
  const auto asked = read_page(*parameters);
  if (!asked) return error_response(asked.error());
  const auto after = parameters->function("after");
  if (!after) return error_response(after.error());
  const auto snapshot = here.platform.catalog.snapshot();
  const auto& functions = snapshot->functions;
  wire::JsonWriter json;
  json.begin_object();
  json.key("functions");
  json.begin_array();
  auto at = functions.lower_bound({.space = std::string(space), .name = ""});
  if (*after && at != functions.end() && at->first <= **after) at = functions.upper_bound(**after);
  PageWriter page(asked->limit);
  at = first_visible(*here.who, functions, at);
  for (; at != functions.end() && (space.empty() || at->first.space == space);
       at = first_visible(*here.who, functions, std::next(at))) {
    if (!page.takes(to_text(at->first))) break;
    json.raw(function_json(*at->second, here, request));
  }
  json.end_array();
  page.write_next(json);
  json.end_object();
  return json_response(json.take_text());
}

net::HttpResponse get_function(const Here& here, const net::HttpRequest& request, const FunctionName& name) {
  const auto parameters = Parameters::read(request.query, {});
  if (!parameters) return error_response(parameters.error());
  const auto snapshot = here.platform.catalog.snapshot();
  const auto at = snapshot->functions.find(name);
  if (at == snapshot->functions.end()) return error_response(no_such_function(name));
  return json_response(function_json(*at->second, here, request));
}

net::Task<net::HttpResponse> list_versions(const Here& here, net::HttpExchange& exchange, FunctionName name) {
  const auto parameters = Parameters::read(exchange.request().query, {"limit", "after"});
  if (!parameters) co_return error_response(parameters.error());
  const auto asked = read_page(*parameters);
  if (!asked) co_return error_response(asked.error());
  const auto after = parameters->count("after", 1, std::numeric_limits<std::uint32_t>::max());
  if (!after) co_return error_response(after.error());
  using Versions = std::vector<Function>;
  const std::function<Result<Versions>()> work = [&] { return here.platform.catalog.versions(name); };
  const Result<Versions> versions = co_await net::run_blocking(here.platform.disk, work);
  if (!versions) co_return error_response(versions.error());
  const auto snapshot = here.platform.catalog.snapshot();
  const auto current = snapshot->functions.find(name);
  if (current == snapshot->functions.end()) co_return error_response(no_such_function(name));
  wire::JsonWriter json;
  json.begin_object();
  json.member("function", to_text(name));
  json.member("current", current->second->version);
  json.member("versions_max", here.platform.options.versions_max);
  json.key("versions");
  json.begin_array();
  PageWriter page(asked->limit);
  for (const Function& version : *versions) {
    if (*after && version.version >= **after) continue;
    if (!page.takes(std::to_string(version.version))) break;
    wire::write(json, version);
  }
  json.end_array();
  page.write_next(json);
  json.end_object();
  co_return json_response(json.take_text());
}

}  // namespace canopy::api
