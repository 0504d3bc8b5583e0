// GET /v1/calls: the calls of both kinds in one list.

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/calls.h"
#include "api/durable_calls.h"
#include "api/parameters.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

constexpr std::uint64_t list_limit = 100;
constexpr int scans_max = 20;  // Each of DurableFilter::scan_max rows.
constexpr Duration since_max = std::chrono::hours(24 * 366);

using Key = std::pair<WallTime, CallId>;  // Of a plain call: they are in this order.

constexpr CallId last_id{.high = UINT64_MAX, .low = UINT64_MAX};

Key key_of(const Record& record) { return {record.queued, record.id}; }

struct Asked {
  store::RecordFilter filter;
  bool durable_only = false;
  // Behind which call of either kind it goes on: both, since the order of the one says nothing of the other.
  std::optional<CallId> after_plain;
  std::optional<CallId> after_durable;
};

// "ID", or "ID-ID" where the last call was a plain one and there were durable ones before.
Result<void> read_after(const Here& here, std::string_view text, Asked& asked) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('-'), text.size());
    const auto id = parse_call_id(text.substr(0, end));
    if (!id) break;
    (here.platform.call_log->owns(*id) ? asked.after_durable : asked.after_plain) = *id;
    if (end == text.size()) return {};
    text.remove_prefix(end + 1);
  }
  return fail(Code::invalid,
              "'after' is not the `next` of a list, nor the id of a call, which has 32 hexadecimal digits");
}

Result<Asked> read_asked(const Here& here, std::string_view query) {
  CANOPY_TRY(const auto parameters,
             Parameters::read(query, {"function", "state", "since", "durable", "limit", "after"}));
  Asked asked;
  CANOPY_TRY(asked.durable_only, parameters.flag("durable"));
  store::RecordFilter& filter = asked.filter;
  CANOPY_TRY(filter.function, parameters.function("function"));
  CANOPY_TRY(filter.state, parameters.state("state"));
  if (const auto after = parameters.text("after")) CANOPY_TRY_VOID(read_after(here, *after, asked));
  CANOPY_TRY(const auto since, parameters.duration("since", since_max));
  if (since) filter.since = here.platform.clock.wall_now() - *since;
  CANOPY_TRY(const auto limit, parameters.count("limit", 1, store::record_limit_max));
  filter.limit = static_cast<std::size_t>(limit.value_or(list_limit));
  return asked;
}

// Views of what was found.
struct Page {
  std::vector<std::variant<const DurableRecord*, const Record*>> records;
  std::string next;  // "" at the end.
};

std::string page_json(const Page& page) {
  wire::JsonWriter json;
  json.begin_object();
  json.key("calls");
  json.begin_array();
  for (const auto& record : page.records) {
    std::visit([&json](const auto* one) { wire::write(json, *one); }, record);
  }
  json.end_array();
  json.key("next");
  page.next.empty() ? json.null() : json.value(page.next);
  json.end_object();
  return json.take_text();
}

// A page of the durable calls before `until` that `filter` asks for; where there is a next one, it says
// behind which call it begins, which whoever asks may see.
//   unavailable  among a million calls of others none was theirs
//   and as CallLog::list()
net::Task<Result<store::DurablePage>> list_durable(const Here& here, store::DurableFilter filter,
                                                   WallTime until) {
  filter.visible = [who = here.who, until](const Record& record) {
    return record.queued < until && who->sees(record);
  };
  const std::size_t limit = filter.limit;
  store::DurablePage found;
  for (int scan = 0; scan < scans_max; ++scan) {
    const std::function<Result<store::DurablePage>()> work = [&log = *here.platform.call_log, filter] {
      return log.list(filter);
    };
    auto page = co_await net::run_blocking<store::DurablePage>(here.platform.disk, work);
    if (!page) co_return tl::unexpected(std::move(page).error());
    std::ranges::move(page->records, std::back_inserter(found.records));
    found.next = page->next;
    if (!page->next || found.records.size() == limit) co_return found;
    if (here.who->subject.every_space) co_return found;
    filter.after = page->next;  // Perhaps somebody else's: not to be shown.
    filter.limit = limit - found.records.size();
  }
  if (found.records.empty()) {
    co_return fail(Code::unavailable,
                   "none of the last million calls was one of these; ask for one by its id, or try later");
  }
  found.next = found.records.back().record.id;
  co_return found;
}

// The calls that came in by HTTP, those that run too, from `below` down; of the durable ones that ran, the
// log knows more.
net::Task<Result<std::vector<Record>>> list_plain(const Here& here, store::RecordFilter filter,
                                                  std::optional<Key> below) {
  const auto is_one = [who = here.who, &log = *here.platform.call_log, below](const Record& record) {
    return who->sees(record) && !log.owns(record.id) && (!below || key_of(record) < *below);
  };
  // Whatever is asked for: a core notes what it has answered when it is asked.
  auto running = co_await find_running(here, filter.function, 0);
  if (!running) co_return tl::unexpected(std::move(running).error());
  filter.visible = is_one;
  std::vector<Record> records = here.platform.records.list(filter);
  for (Record& record : *running) {
    if (!is_one(record) || record.queued < filter.since) continue;
    if (filter.state && record.state != *filter.state) continue;
    // One that has ended since it was seen running is listed once.
    const bool listed = std::ranges::find(records, record.id, &Record::id) != records.end();
    if (!listed) records.push_back(std::move(record));
  }
  std::ranges::sort(records, std::greater(), key_of);
  if (records.size() > filter.limit) records.resize(filter.limit);
  co_return records;
}

// Where the plain calls go on; nothing at their beginning.
//   not_found  the durable call that it goes on behind is forgotten
net::Task<Result<std::optional<Key>>> find_below(const Here& here, const Asked& asked) {
  std::optional<Key> below;
  if (asked.after_plain) {
    const auto last = co_await find_plain(here, *asked.after_plain);
    // Where it is forgotten, so are those before it.
    below = last ? key_of(*last) : Key();
  } else if (asked.after_durable) {
    const auto last = co_await find_durable(here, *asked.after_durable);
    if (!last) co_return tl::unexpected(last.error());
    below = Key(last->queued, last_id);
  }
  co_return below;
}

// Both in one order, the newest first: of two of one time the durable one. Below `known_down_to` there may be
// durable calls that were not found yet.
Page merge(const Asked& asked, const store::DurablePage& durable, const std::vector<Record>& plain,
           WallTime known_down_to) {
  const std::size_t limit = asked.filter.limit;
  Page page;
  std::optional<CallId> last_durable = asked.after_durable;
  auto from_durable = durable.records.begin();
  auto from_plain = plain.begin();
  while (page.records.size() < limit) {
    const bool has_durable = from_durable != durable.records.end();
    const bool has_plain = from_plain != plain.end();
    if (has_durable && (!has_plain || from_durable->record.queued >= from_plain->queued)) {
      last_durable = from_durable->record.id;
      page.next = to_text(*last_durable);
      page.records.emplace_back(&*from_durable++);
    } else if (has_plain && (has_durable || from_plain->queued > known_down_to)) {
      page.next = to_text(from_plain->id);
      if (last_durable) page.next += "-" + to_text(*last_durable);
      page.records.emplace_back(&*from_plain++);
    } else {
      page.next = durable.next ? to_text(*durable.next) : "";
      return page;
    }
  }
  const bool has_durable = from_durable != durable.records.end() || durable.next;
  if (!has_durable && from_plain == plain.end() && plain.size() < limit) page.next.clear();
  return page;
}

}  // namespace

net::Task<net::HttpResponse> list_calls(const Here& here, net::HttpExchange& exchange) {
  const auto asked = read_asked(here, exchange.request().query);
  if (!asked) co_return error_response(asked.error());
  const store::RecordFilter& filter = asked->filter;
  const auto below = co_await find_below(here, *asked);
  if (!below) co_return error_response(below.error());
  store::DurableFilter durable_filter{.function = filter.function,
                                      .state = filter.state,
                                      .since = filter.since,
                                      .limit = filter.limit,
                                      .after = asked->after_durable};
  // Those that came in since a page that had none are no part of the next one.
  const bool had_none = asked->after_plain && !asked->after_durable && **below != Key();
  const WallTime until = had_none ? (*below)->first : WallTime::max();
  const auto durable = co_await list_durable(here, std::move(durable_filter), until);
  if (!durable) co_return error_response(durable.error());
  std::vector<Record> plain;
  if (!asked->durable_only) {
    auto listed = co_await list_plain(here, filter, *below);
    if (!listed) co_return error_response(listed.error());
    plain = *std::move(listed);
  }
  WallTime known_down_to = WallTime::min();
  if (durable->next && durable->records.size() < filter.limit) {
    const auto last = co_await find_durable(here, *durable->next);
    known_down_to = last ? last->queued : WallTime::max();
  }
  co_return json_response(page_json(merge(*asked, *durable, plain, known_down_to)));
}

}  // namespace canopy::api
