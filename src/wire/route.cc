#include "wire/route.h"

#include <array>
#include <utility>

#include "base/log.h"
#include "wire/percent.h"

namespace canopy::wire {
namespace {

constexpr std::string_view call_prefix = "/function/";
constexpr std::string_view async_prefix = "/async-function/";
constexpr std::string_view functions_path = "/v1/functions";
constexpr std::string_view secrets_path = "/v1/secrets";
constexpr std::string_view calls_path = "/v1/calls";

constexpr std::string_view only_get = "GET, HEAD, OPTIONS";
constexpr std::string_view only_post = "POST, OPTIONS";
constexpr std::string_view get_delete = "GET, HEAD, DELETE, OPTIONS";
constexpr std::string_view only_delete = "DELETE, OPTIONS";
constexpr std::string_view get_post = "GET, HEAD, POST, OPTIONS";
constexpr std::string_view get_put = "GET, HEAD, PUT, OPTIONS";
constexpr std::string_view put_delete = "PUT, DELETE, OPTIONS";
constexpr std::string_view get_patch_delete = "GET, HEAD, PATCH, DELETE, OPTIONS";
constexpr std::string_view get_put_delete = "GET, HEAD, PUT, DELETE, OPTIONS";

struct Fixed {
  std::string_view path;
  Target target;
};
constexpr std::array<Fixed, 9> fixed_paths = {{{"/metrics", Target::metrics},
                                               {"/healthz", Target::healthz},
                                               {"/readyz", Target::readyz},
                                               {"/", Target::dashboard},
                                               {"/v1/events", Target::events},
                                               {"/v1/nodes", Target::nodes},
                                               {"/debug/state", Target::debug_state},
                                               {"/openapi.json", Target::openapi},
                                               {"/docs", Target::docs}}};

tl::unexpected<Error> no_path(std::string_view path) {
  return fail(Code::not_found, "no such path: " + log_safe(path, 200) + "; /docs lists what there is");
}

// Takes what comes before the next '/' off the front, and the '/' too.
std::string_view take_segment(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view segment = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  return segment;
}

// Decoded only where there is something to decode: on the hot path there is not.
Result<std::string> decode_name(std::string_view segment) {
  if (segment.find('%') == std::string_view::npos) return std::string(segment);
  return percent_decode(segment);
}

Result<FunctionName> read_name(std::string_view space, std::string_view name) {
  if (is_name_part(space) && is_name_part(name)) return FunctionName{std::string(space), std::string(name)};
  CANOPY_TRY(const std::string space_decoded, decode_name(space));
  CANOPY_TRY(const std::string name_decoded, decode_name(name));
  return make_function_name(space_decoded, name_decoded);
}

// True where `word` is one of "A, B, C".
bool is_listed(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    const std::size_t comma = list.find(", ");
    if (list.substr(0, comma) == word) return true;
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 2);
  }
  return false;
}

Route with_method(Route route, std::string_view method, std::string_view allowed) {
  route.allowed = allowed;
  if (method == "OPTIONS") {
    route.target = Target::options;
  } else if (!is_listed(method, allowed)) {
    route.target = Target::wrong_method;
  }
  return route;
}

// `after` is what follows the prefix: "{ns}/{fn}[/{rest}]".
Result<Route> call_route(Target target, std::string_view prefix, std::string_view after) {
  const std::size_t first = after.find('/');
  if (first == std::string_view::npos) {
    return fail(Code::not_found, "a function is called as " + std::string(prefix) +
                                     "{namespace}/{name}; one that was deployed without a namespace as " +
                                     std::string(prefix) + "default/" + log_safe(after, 80));
  }
  const std::size_t second = after.find('/', first + 1);
  Route route{.target = target};
  const std::string_view name =
      after.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
  CANOPY_TRY(route.function, read_name(after.substr(0, first), name));
  route.rest = second == std::string_view::npos ? std::string_view("/") : after.substr(second);
  return route;
}

// `after` is what follows "/v1/functions": "" or "/...".
Result<Route> functions_route(std::string_view method, std::string_view path, std::string_view after) {
  Route route{.target = Target::functions};
  if (after.empty()) return with_method(route, method, only_get);
  after.remove_prefix(1);
  const bool names_function = after.find('/') != std::string_view::npos;
  const std::string_view space = take_segment(after);
  if (!names_function) {
    // make_function_name checks two parts; the second is a stand-in.
    CANOPY_TRY(route.function, read_name(space, "x"));
    route.function.name.clear();
    return with_method(route, method, only_get);
  }
  const bool has_action = after.find('/') != std::string_view::npos;
  const std::string_view name = take_segment(after);
  CANOPY_TRY(route.function, read_name(space, name));
  route.target = Target::function;
  if (!has_action) return with_method(route, method, get_put_delete);
  if (after == "versions") {
    route.target = Target::versions;
    return with_method(route, method, only_get);
  }
  if (after == "rollback") {
    route.target = Target::rollback;
    return with_method(route, method, only_post);
  }
  if (after == "calls") {
    route.target = Target::batch_calls;
    return with_method(route, method, only_post);
  }
  if (after == "logs") {
    route.target = Target::function_logs;
    return with_method(route, method, only_get);
  }
  return no_path(path);
}

// `after` is what follows "/v1/calls": "" or "/...".
Result<Route> calls_route(std::string_view method, std::string_view path, std::string_view after) {
  Route route{.target = Target::calls};
  if (after.empty()) return with_method(route, method, only_get);
  after.remove_prefix(1);
  const bool has_action = after.find('/') != std::string_view::npos;
  const std::string_view text = take_segment(after);
  const auto id = parse_call_id(text);
  if (!id) {
    return fail(Code::invalid,
                "'" + log_safe(text, 80) + "' is not the id of a call, which has 32 hexadecimal digits");
  }
  route.call = *id;
  route.target = Target::call_record;
  if (!has_action) return with_method(route, method, get_delete);
  if (after == "result") {
    route.target = Target::call_result;
    return with_method(route, method, only_get);
  }
  if (after == "logs") {
    route.target = Target::call_logs;
    return with_method(route, method, only_get);
  }
  if (after == "retry") {
    route.target = Target::call_retry;
    return with_method(route, method, only_post);
  }
  return no_path(path);
}

// Lists of things, and one of them: "<path>" and "<path>/{item}".
struct Listed {
  std::string_view path;
  Target list;
  std::string_view list_methods;
  Target item;
  std::string_view item_methods;  // "": there is no such path.
};
constexpr std::array<Listed, 7> listed_paths = {
    {{"/v1/users", Target::users, get_post, Target::user, get_patch_delete},
     {"/v1/keys", Target::keys, get_post, Target::key, only_delete},
     {"/v1/quotas", Target::quotas, only_get, Target::quota, get_put},
     {"/v1/usage", Target::usage, only_get, Target::usage, ""},
     {"/v1/audit", Target::audit, only_get, Target::audit, ""},
     {"/v1/login", Target::login, only_post, Target::login, ""},
     {"/v1/dispatch", Target::dispatch, get_put, Target::dispatch, ""}}};

// `after` is what follows the path of `listed`: "" or "/...".
Result<Route> listed_route(const Listed& listed, std::string_view method, std::string_view path,
                           std::string_view after) {
  Route route{.target = listed.list};
  if (after.empty()) return with_method(std::move(route), method, listed.list_methods);
  after.remove_prefix(1);
  if (listed.item_methods.empty() || after.find('/') != std::string_view::npos) return no_path(path);
  CANOPY_TRY(route.item, decode_name(after));
  if (!is_name_part(route.item)) {
    return fail(Code::invalid, "'" + log_safe(after, 80) + "' is neither a name nor an id");
  }
  route.target = listed.item;
  return with_method(std::move(route), method, listed.item_methods);
}

// `after` is what follows "/v1/secrets": "" or "/...".
Result<Route> secrets_route(std::string_view method, std::string_view path, std::string_view after) {
  Route route{.target = Target::secrets};
  if (after.empty()) return with_method(std::move(route), method, only_get);
  after.remove_prefix(1);
  const bool names_secret = after.find('/') != std::string_view::npos;
  CANOPY_TRY(route.function, read_name(take_segment(after), "x"));
  route.function.name.clear();
  if (!names_secret) return with_method(std::move(route), method, only_get);
  if (after.find('/') != std::string_view::npos) return no_path(path);
  CANOPY_TRY(route.item, decode_name(after));
  route.target = Target::secret;
  return with_method(std::move(route), method, put_delete);
}

// What follows `prefix` in `path` if that is a whole segment of it.
bool is_under(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

Result<Route> parse_route(std::string_view method, std::string_view path) {
  if (path.starts_with(call_prefix)) {
    return call_route(Target::call, call_prefix, path.substr(call_prefix.size()));
  }
  if (path.starts_with(async_prefix)) {
    CANOPY_TRY(const Route route,
               call_route(Target::async_call, async_prefix, path.substr(async_prefix.size())));
    return with_method(route, method, only_post);
  }
  for (const Fixed& fixed : fixed_paths) {
    if (path == fixed.path) return with_method(Route{.target = fixed.target}, method, only_get);
  }
  if (is_under(path, functions_path)) {
    return functions_route(method, path, path.substr(functions_path.size()));
  }
  if (is_under(path, calls_path)) return calls_route(method, path, path.substr(calls_path.size()));
  for (const Listed& listed : listed_paths) {
    if (is_under(path, listed.path)) {
      return listed_route(listed, method, path, path.substr(listed.path.size()));
    }
  }
  if (is_under(path, secrets_path)) return secrets_route(method, path, path.substr(secrets_path.size()));
  if (path == "*" && method == "OPTIONS") return Route{.target = Target::options, .allowed = get_put_delete};
  return no_path(path);
}

}  // namespace canopy::wire
