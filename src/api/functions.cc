#include "api/functions.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/deploy.h"
#include "api/parameters.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

constexpr std::uint64_t list_limit_max = 1000;

struct Page {
  std::uint64_t limit = list_limit_max;
  std::optional<FunctionName> after;
};

Result<Page> read_page(std::string_view query) {
  CANOPY_TRY(const auto parameters, Parameters::read(query, {"limit", "after"}));
  CANOPY_TRY(const auto limit, parameters.count("limit", 1, list_limit_max));
  CANOPY_TRY(auto after, parameters.function("after"));
  return Page{.limit = limit.value_or(list_limit_max), .after = std::move(after)};
}

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
  const auto page = read_page(request.query);
  if (!page) return error_response(page.error());
  const auto snapshot = here.platform.catalog.snapshot();
  const auto& functions = snapshot->functions;
  wire::JsonWriter json;
  json.begin_object();
  json.key("functions");
  json.begin_array();
  auto at = functions.lower_bound({.space = std::string(space), .name = ""});
  if (page->after && at != functions.end() && at->first <= *page->after) {
    at = functions.upper_bound(*page->after);
  }
  std::uint64_t count = 0;
  const FunctionName* last = nullptr;
  bool more = false;
  at = first_visible(*here.who, functions, at);
  for (; at != functions.end() && (space.empty() || at->first.space == space);
       at = first_visible(*here.who, functions, std::next(at))) {
    if (count == page->limit) {
      more = true;
      break;
    }
    json.raw(function_json(*at->second, here, request));
    last = &at->first;
    ++count;
  }
  json.end_array();
  json.key("next");
  if (more) {
    json.value(to_text(*last));
  } else {
    json.null();
  }
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
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
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
  for (const Function& version : *versions) wire::write(json, version);
  json.end_array();
  json.end_object();
  co_return json_response(json.take_text());
}

}  // namespace canopy::api
