#include "api/usage.h"

#include <charconv>
#include <utility>

#include "api/ask.h"
#include "api/auth.h"
#include "api/gateway.h"
#include "api/page.h"
#include "api/parameters.h"
#include "api/users.h"
#include "base/log.h"
#include "wire/json_writer.h"

namespace canopy::api {
namespace {

constexpr std::uint64_t audit_limit = 100;
constexpr std::uint64_t audit_id_max = (std::uint64_t{1} << 53U) - 1;  // What every JSON reader can hold.
constexpr Duration since_max = std::chrono::hours(24) * store::usage_days_max;
constexpr double mib_seconds_per_kib_us = 1.0 / (1024 * 1e6);

struct Asked {
  store::UsageFilter filter;
  std::size_t limit = 0;
};

// "{day}/{user}/{namespace}/{name}": numbers, and names that need no escaping.
std::string place_text(const store::UsagePlace& place) {
  return std::to_string(place.day) + "/" + std::to_string(place.user) + "/" + to_text(place.function);
}

// Takes the number that begins `text` off its front, and the '/' behind it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto size = static_cast<std::size_t>(read.ptr - text.data());
  if (read.ec != std::errc() || number > INT64_MAX || size >= text.size() || text[size] != '/') {
    return std::nullopt;
  }
  text.remove_prefix(size + 1);
  return number;
}

Result<store::UsagePlace> read_place(std::string_view text) {
  std::string_view left = text;
  const auto day = take_number(left);
  const auto user = take_number(left);
  const auto function = parse_function_name(left);
  if (!day || !user || !function) {
    return fail(Code::invalid, "the parameter 'after': '" + log_safe(text, 80) +
                                   "' is no row of usage; give what an answer had as 'next'");
  }
  return store::UsagePlace{.day = static_cast<std::int64_t>(*day), .user = *user, .function = *function};
}

Result<Asked> read_asked(const Here& here, std::string_view query) {
  CANOPY_TRY(const auto parameters,
             Parameters::read(query, {"user", "namespace", "function", "since", "by", "limit", "after"}));
  CANOPY_TRY(const PageAsked page, read_page(parameters));
  Asked asked{.filter = {}, .limit = page.limit};
  const auto user = parameters.text("user");
  if (user && !is_name_part(*user)) return fail(Code::invalid, "?user=" + log_safe(*user, 80) + " is none");
  const auto accounts = here.platform.catalog.users().snapshot();
  if (!here.who->is_admin()) asked.filter.user = here.who->user;
  if (user && *user != here.who->user_name) {
    const auto at = accounts->users.find(*user);
    if (!here.who->is_admin() || at == accounts->users.end()) {
      return tl::unexpected(no_such_user(*user));
    }
    asked.filter.user = at->second->id;
  } else if (user) {
    asked.filter.user = here.who->user;
  }
  asked.filter.space = parameters.text("namespace");
  if (asked.filter.space && !is_name_part(*asked.filter.space)) {
    return fail(Code::invalid, "?namespace=" + log_safe(*asked.filter.space, 80) + " is none");
  }
  CANOPY_TRY(const auto function, parameters.function("function"));
  if (function) {
    asked.filter.space = function->space;
    asked.filter.function = function->name;
  }
  CANOPY_TRY(const auto since, parameters.duration("since", since_max));
  if (since) asked.filter.first_day = day_of(here.platform.clock.wall_now() - *since);
  const auto by = parameters.text("by");
  if (by && *by != "day") return fail(Code::invalid, "?by= takes 'day' and nothing else");
  asked.filter.by_day = by.has_value();
  if (page.after) {
    CANOPY_TRY(asked.filter.after, read_place(*page.after));
  }
  asked.filter.visible = [who = here.who](std::string_view space) { return who->reaches(space); };
  return asked;
}

std::string day_text(std::int64_t day) {
  const WallTime time(std::chrono::hours(24 * day) + Duration(1));
  return wire::time_text(time).substr(0, 10);
}

void write_usage(wire::JsonWriter& json, const store::UsageRow& row, bool by_day) {
  const DayUsage& usage = row.usage;
  json.begin_object();
  if (by_day) json.member("day", day_text(usage.day));
  json.key("user");
  row.user_name.empty() ? json.null() : json.value(row.user_name);
  json.member("function", to_text(usage.function));
  json.member("calls", usage.call_count);
  json.member("errors", usage.error_count);
  json.member("run_ms", std::chrono::duration<double, std::milli>(usage.run_time).count());
  json.member("cpu_ms", std::chrono::duration<double, std::milli>(usage.cpu_time).count());
  json.member("memory_mib_seconds", static_cast<double>(usage.memory_kib_us) * mib_seconds_per_kib_us);
  json.member("input_bytes", usage.input_bytes);
  json.member("output_bytes", usage.output_bytes);
  json.member("log_bytes", usage.log_bytes);
  json.end_object();
}

// Of one row more than `limit`, where there is one.
std::string usage_json(const std::vector<store::UsageRow>& rows, std::size_t limit, bool by_day) {
  wire::JsonWriter json;
  json.begin_object();
  json.key("usage");
  json.begin_array();
  PageWriter page(limit);
  for (const store::UsageRow& row : rows) {
    const DayUsage& usage = row.usage;
    const store::UsagePlace place{.day = usage.day, .user = usage.user, .function = usage.function};
    if (!page.takes(place_text(place))) break;
    write_usage(json, row, by_day);
  }
  json.end_array();
  page.write_next(json);
  json.end_object();
  return json.take_text();
}

// Puts what a core has metered where it can be written.
void hand_in(Platform& platform, exec::Core& core) {
  Meter& meter = platform.gateways[core.index()]->caller().meter();
  if (!meter.empty()) platform.ledger.put(meter.take(platform.clock.wall_now()));
}

}  // namespace

void flush_usage(Platform& platform, exec::Core& core) {
  hand_in(platform, core);
  if (core.index() != 0) return;  // One of them has it written, for all.
  const auto work = [&platform] {
    const auto written = platform.ledger.write(platform.catalog.users(), platform.clock.wall_now());
    if (!written) log::warn("{}; it is kept and tried again", written.error().message);
  };
  platform.disk.post(work);  // If the queue is full there is another time.
}

net::Task<Result<std::vector<store::UsageRow>>> used(const Here& here, store::UsageFilter filter,
                                                     std::size_t limit) {
  Platform& platform = here.platform;
  const std::function<bool(exec::Core&)> question = [&platform](exec::Core& core) {
    hand_in(platform, core);
    return true;
  };
  const auto handed_in = co_await ask_each<bool>(here.core, platform.cores, question);
  if (!handed_in) co_return tl::unexpected(handed_in.error());
  using Found = std::vector<store::UsageRow>;
  const std::function<Result<Found>()> work = [&]() -> Result<Found> {
    store::Users& users = platform.catalog.users();
    CANOPY_TRY_VOID(platform.ledger.write(users, platform.clock.wall_now()));
    return users.usage(filter, limit);
  };
  co_return co_await net::run_blocking(platform.disk, work);
}

net::Task<net::HttpResponse> get_usage(const Here& here, net::HttpExchange& exchange) {
  const auto asked = read_asked(here, exchange.request().query);
  if (!asked) co_return error_response(asked.error());
  const auto found = co_await used(here, asked->filter, asked->limit + 1);  // One more: is that all?
  if (!found) co_return error_response(found.error());
  co_return json_response(usage_json(*found, asked->limit, asked->filter.by_day));
}

net::Task<net::HttpResponse> get_audit(const Here& here, net::HttpExchange& exchange) {
  const auto parameters = Parameters::read(exchange.request().query, {"limit", "after"});
  if (!parameters) co_return error_response(parameters.error());
  const auto asked = read_page(*parameters, audit_limit);
  if (!asked) co_return error_response(asked.error());
  const auto after = parameters->count("after", 1, audit_id_max);
  if (!after) co_return error_response(after.error());
  const std::uint64_t before = after->value_or(0);
  using Found = std::vector<AuditEntry>;
  const std::function<Result<Found>()> work = [&] {
    return here.platform.catalog.users().audit(before, asked->limit + 1);  // One more: is that all?
  };
  const Result<Found> found = co_await net::run_blocking(here.platform.disk, work);
  if (!found) co_return error_response(found.error());
  wire::JsonWriter json;
  json.begin_object();
  json.key("audit");
  json.begin_array();
  PageWriter page(asked->limit);
  for (const AuditEntry& entry : *found) {
    if (!page.takes(std::to_string(entry.id))) break;
    json.begin_object();
    json.member("id", entry.id);
    json.member("at", entry.at);
    json.member("user", entry.user);
    json.member("key", entry.key);
    json.member("action", entry.action);
    json.member("target", entry.target);
    json.member("detail", entry.detail);
    json.end_object();
  }
  json.end_array();
  page.write_next(json);
  json.end_object();
  co_return json_response(json.take_text());
}

}  // namespace canopy::api
