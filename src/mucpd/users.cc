// Users of MUCPD, their functions and their time.

#include <algorithm>
#include <utility>

#include "api/deploy.h"
#include "api/meter.h"
#include "api/usage.h"
#include "mucpd/names.h"
#include "mucpd/reply.h"
#include "mucpd/runner.h"
#include "mucpd/server.h"
#include "wire/json_writer.h"

namespace canopy::mucpd {
namespace {

constexpr std::string_view done = "1";
constexpr std::size_t rows_at_once = 10'000;

// Of the functions of a user, each once.
template <class Visit>
void each_function(const store::Snapshot& snapshot, std::string_view user, const Visit& visit) {
  const std::string space = space_of(user);
  for (auto at = snapshot.functions.lower_bound({.space = space, .name = ""});
       at != snapshot.functions.end() && at->first.space == space; ++at) {
    const auto source = source_of(*at->second);
    if (source) visit(*at->second, *source);
  }
}

std::vector<FunctionName> function_names(const api::Here& here, std::string_view user) {
  std::vector<FunctionName> names;
  const auto snapshot = here.platform.catalog.snapshot();
  each_function(*snapshot, user,
                [&names](const Function& function, const std::string&) { names.push_back(function.name); });
  return names;
}

// What the functions of a namespace have used since that day began, however many they were.
net::Task<Result<Duration>> used_time(const api::Here& here, std::string space, std::int64_t first_day) {
  store::UsageFilter filter;
  filter.space = std::move(space);
  filter.first_day = first_day;
  filter.by_day = false;
  Duration sum{};
  for (;;) {
    const auto rows = co_await api::used(here, filter, rows_at_once);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const store::UsageRow& row : *rows) sum += row.usage.run_time;
    if (rows->size() < rows_at_once) co_return sum;
    const DayUsage& last = rows->back().usage;
    filter.after = store::UsagePlace{.day = last.day, .user = last.user, .function = last.function};
  }
}

Function with_limits(Function draft, const Options& options) {
  draft.limits.memory_bytes = std::min(options.memory_bytes, options.memory_bytes_max);
  return draft;
}

}  // namespace

net::Task<net::HttpResponse> MucpdServer::add_user(const api::Here& here, Asked asked) {
  const std::int64_t today = api::day_of(here.platform.clock.wall_now());
  const auto used = co_await used_time(here, space_of(asked.user), today);
  if (!used) co_return failure(used.error());
  const Registered registered{.day = today, .used_before = *used};
  auto names = function_names(here, asked.user);
  const auto removed = co_await api::remove_functions(here, std::move(names));
  if (!removed) co_return failure(removed.error());
  Function marker = with_limits(make_marker(asked.user, registered), here.platform.options);
  std::string code(runner_source());
  const auto deployed = co_await api::deploy_uncompiled(here, std::move(marker), std::move(code));
  if (!deployed) co_return failure(deployed.error());
  co_return success(done);
}

// The user first, so that nobody finds one with half of its functions.
net::Task<net::HttpResponse> MucpdServer::remove_user(const api::Here& here, Asked asked) {
  std::vector<FunctionName> names = function_names(here, asked.user);
  names.insert(names.begin(), marker_of(asked.user));
  const auto snapshot = here.platform.catalog.snapshot();
  std::erase_if(names, [&snapshot](const FunctionName& name) { return !snapshot->functions.contains(name); });
  const auto removed = co_await api::remove_functions(here, std::move(names));
  if (!removed) co_return failure(removed.error());
  co_return success(done);
}

net::Task<net::HttpResponse> MucpdServer::user_time(const api::Here& here, Asked asked) {
  const auto snapshot = here.platform.catalog.snapshot();
  const auto marker = snapshot->functions.find(marker_of(asked.user));
  if (marker == snapshot->functions.end()) co_return failure(no_user(asked.user));
  const Registered registered = registered_of(*marker->second);
  const auto used = co_await used_time(here, space_of(asked.user), registered.day);
  if (!used) co_return failure(used.error());
  const Duration since = std::max(*used - registered.used_before, Duration::zero());
  wire::JsonWriter json;
  json.value(std::chrono::duration<double, std::milli>(since).count());
  co_return success(json.text());
}

net::HttpResponse MucpdServer::functions(const api::Here& here, const Asked& asked) {
  const auto snapshot = here.platform.catalog.snapshot();
  if (!has_user(*snapshot, asked.user)) return failure(no_user(asked.user));
  wire::JsonWriter json;
  json.begin_object();
  each_function(*snapshot, asked.user, [&json](const Function& function, const std::string& source) {
    json.member(name_of(function), source);
  });
  json.end_object();
  return success(json.text());
}

net::HttpResponse MucpdServer::function(const api::Here& here, const Asked& asked) {
  const auto snapshot = here.platform.catalog.snapshot();
  if (!has_user(*snapshot, asked.user)) return failure(no_user(asked.user));
  const auto at = snapshot->functions.find(function_of(asked.user, asked.function));
  const auto source = at == snapshot->functions.end() ? std::nullopt : source_of(*at->second);
  if (!source) return failure(no_function(asked.function));
  wire::JsonWriter json;
  json.begin_object();
  json.member("name", asked.function);
  json.member("src", *source);
  json.member("f_name", asked.function);  // As MUCPD's documentation has it; its code said "name".
  json.end_object();
  return success(json.text());
}

net::Task<net::HttpResponse> MucpdServer::add_function(const api::Here& here, net::HttpExchange& exchange,
                                                       Asked asked) {
  const auto snapshot = here.platform.catalog.snapshot();
  if (!has_user(*snapshot, asked.user)) co_return failure(no_user(asked.user));
  const Options& options = here.platform.options;
  const std::string source = text_of(exchange.request().body);
  Function draft =
      with_limits(make_function(asked.user, asked.function, source, job_timeout(options)), options);
  std::string code(runner_source());
  const auto deployed = co_await api::deploy_uncompiled(here, std::move(draft), std::move(code));
  if (!deployed) co_return failure(deployed.error());
  co_return success(done);
}

net::Task<net::HttpResponse> MucpdServer::remove_function(const api::Here& here, Asked asked) {
  const auto snapshot = here.platform.catalog.snapshot();
  if (!has_user(*snapshot, asked.user)) co_return failure(no_user(asked.user));
  const auto at = snapshot->functions.find(function_of(asked.user, asked.function));
  if (at == snapshot->functions.end() || !source_of(*at->second)) co_return success(done);
  std::vector<FunctionName> names = {at->first};
  const auto removed = co_await api::remove_functions(here, std::move(names));
  if (!removed) co_return failure(removed.error());
  co_return success(done);
}

}  // namespace canopy::mucpd
