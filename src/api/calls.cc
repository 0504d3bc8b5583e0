#include "api/calls.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/ask.h"
#include "api/durable_calls.h"
#include "api/event_stream.h"
#include "api/gateway.h"
#include "api/parameters.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

constexpr std::uint64_t list_limit = 100;
constexpr int scans_max = 20;  // Each of DurableFilter::scan_max rows.
constexpr Duration since_max = std::chrono::hours(24 * 366);

bool is_newer(const Record& a, const Record& b) {
  return std::pair(a.queued, a.id) > std::pair(b.queued, b.id);
}

struct Asked {
  store::RecordFilter filter;
  bool durable_only = false;
};

Result<Asked> read_asked(std::string_view query, WallTime now) {
  CANOPY_TRY(const auto parameters,
             Parameters::read(query, {"function", "state", "since", "durable", "limit", "after"}));
  Asked asked;
  CANOPY_TRY(asked.durable_only, parameters.flag("durable"));
  store::RecordFilter& filter = asked.filter;
  CANOPY_TRY(filter.function, parameters.function("function"));
  CANOPY_TRY(filter.state, parameters.state("state"));
  CANOPY_TRY(filter.after, parameters.call("after"));
  CANOPY_TRY(const auto since, parameters.duration("since", since_max));
  if (since) filter.since = now - *since;
  CANOPY_TRY(const auto limit, parameters.count("limit", 1, store::record_limit_max));
  filter.limit = static_cast<std::size_t>(limit.value_or(list_limit));
  return asked;
}

// Of the calls that run, the page that `filter` asks for. They come before all that ended; so where `after`
// names none of them, their part is over.
std::vector<Record> page_of(std::vector<Record> running, const store::RecordFilter& filter) {
  if (filter.after) {
    const auto at = std::ranges::find(running, *filter.after, &Record::id);
    if (at == running.end()) return {};
    running.erase(running.begin(), at + 1);
  }
  std::erase_if(running, [&filter](const Record& record) {
    return record.queued < filter.since || (filter.state && record.state != *filter.state);
  });
  if (running.size() > filter.limit) running.resize(filter.limit);
  return running;
}

std::string page_json(const std::vector<DurableRecord>& durable, const std::vector<Record>& plain,
                      std::optional<CallId> next) {
  wire::JsonWriter json;
  json.begin_object();
  json.key("calls");
  json.begin_array();
  for (const DurableRecord& record : durable) wire::write(json, record);
  for (const Record& record : plain) wire::write(json, record);
  json.end_array();
  json.key("next");
  next ? json.value(to_text(*next)) : json.null();
  json.end_object();
  return json.take_text();
}

// A page of the durable calls that `filter` asks for; where there is a next one, it says behind which call it
// begins, which whoever asks may see.
//   unavailable  among a million calls of others none was theirs
//   and as CallLog::list()
net::Task<Result<store::DurablePage>> list_durable(const Here& here, store::DurableFilter filter) {
  filter.visible = [who = here.who](const Record& record) { return who->sees(record); };
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

// Waits until that call has ended, the client went away, or `until`.
net::Task<void> wait_for_end(const Here& here, net::HttpExchange& exchange, CallId id, Time until) {
  const auto is_it = [id](const Happening& happening) {
    return happening.kind == Happening::Kind::call_ended && happening.call == id;
  };
  const auto follower = make_follower(here, is_it);
  if (!follower) co_return;
  const auto before = co_await find_call(here, id);  // It may have ended before somebody followed.
  if (before && !has_ended(*before)) co_await wait_for_news(here, exchange, *follower, until);
}

}  // namespace

net::Task<void> wait_for_news(const Here& here, net::HttpExchange& exchange, Feed::Follower& follower,
                              Time until) {
  bool over = false;
  const auto end = [&over, &follower] {
    over = true;
    follower.event().set();
  };
  exchange.on_client_gone(end);
  Alarm alarm(here.core);
  alarm.set(until, end);
  // Followers are woken as well when users or keys change, and at the end of the server.
  while (!over && !here.platform.draining && here.doorman.is_still(*here.who) && follower.take().empty()) {
    co_await follower.event().wait();
  }
  exchange.on_client_gone(nullptr);
}

bool has_ended(const Record& record) {
  return record.state != State::queued && record.state != State::running;
}

Error no_such_call(CallId id) {
  return {Code::not_found, "there is no call " + to_text(id) +
                               ", or it was so long ago that it is forgotten; /v1/calls lists the last ones"};
}

net::Task<Result<std::vector<Record>>> find_running(const Here& here, std::optional<FunctionName> function,
                                                    std::uint64_t log_bytes_max) {
  using Records = std::vector<Record>;
  const std::function<Records(exec::Core&)> question = [&platform = here.platform, function, log_bytes_max,
                                                        who = here.who](exec::Core& core) {
    Records records = platform.gateways[core.index()]->caller().running(function, log_bytes_max);
    std::erase_if(records, [&who](const Record& record) { return !who->sees(record); });
    return records;
  };
  const auto answers = co_await ask_each<Records>(here.core, here.platform.cores, question);
  if (!answers) co_return tl::unexpected(answers.error());
  Records all;
  for (const Records& answer : *answers) all.insert(all.end(), answer.begin(), answer.end());
  std::ranges::sort(all, is_newer);
  co_return all;
}

net::Task<Result<Record>> find_plain(const Here& here, CallId id) {
  using Found = std::optional<Record>;
  const std::function<Found(exec::Core&)> question = [&platform = here.platform, id,
                                                      who = here.who](exec::Core& core) {
    Found found = platform.gateways[core.index()]->caller().find_running(id);
    return found && who->sees(*found) ? found : std::nullopt;
  };
  // A call of somebody else's takes the way of one that is not there, so that they take as long.
  Found record = here.platform.records.find(id);
  if (record && here.who->sees(*record)) co_return *std::move(record);
  auto answers = co_await ask_all<Found>(here.core, here.platform.cores, question);
  for (Found& answer : answers.values) {
    if (answer) co_return *std::move(answer);
  }
  record = here.platform.records.find(id);  // It may have ended while the cores were asked.
  if (record && here.who->sees(*record)) co_return *std::move(record);
  if (answers.late_count > 0) co_return tl::unexpected(late_cores(answers.late_count));
  co_return tl::unexpected(no_such_call(id));
}

// What is not found here is looked for there, and the other way round, so that what is not there, what is
// somebody else's, and of which kind it is all take as long.
net::Task<Result<Record>> find_call(const Here& here, CallId id) {
  if (here.platform.call_log->owns(id)) {
    auto durable = co_await find_durable(here, id);
    if (!durable) static_cast<void>(co_await find_plain(here, id));
    co_return durable;
  }
  auto plain = co_await find_plain(here, id);
  if (!plain) static_cast<void>(co_await find_durable(here, id));
  co_return plain;
}

// The calls that came in by HTTP and were answered there; of the durable ones that ran, the log knows more.
net::Task<Result<std::vector<Record>>> list_plain(const Here& here, store::RecordFilter filter) {
  const std::size_t limit = filter.limit;
  const auto is_durable_one = [&log = *here.platform.call_log](const Record& record) {
    return log.owns(record.id);
  };
  // Whatever is asked for: a core notes what it has answered when it is asked.
  auto running = co_await find_running(here, filter.function, 0);
  if (!running) co_return tl::unexpected(std::move(running).error());
  std::erase_if(*running, is_durable_one);
  const bool goes_on =
      filter.after && std::ranges::find(*running, *filter.after, &Record::id) != running->end();
  std::vector<Record> records = page_of(*std::move(running), filter);
  if (goes_on) filter.after.reset();
  filter.visible = [who = here.who, is_durable_one](const Record& record) {
    return who->sees(record) && !is_durable_one(record);
  };
  // A page may take several looks, since what was listed as running may be among what ended.
  while (records.size() < limit) {
    filter.limit = limit - records.size();
    auto found = here.platform.records.list(filter);
    const bool is_last = found.size() < filter.limit;
    if (!found.empty()) filter.after = found.back().id;
    for (Record& record : found) {
      // One that has ended since it was seen running is listed once.
      const bool listed = std::ranges::find(records, record.id, &Record::id) != records.end();
      if (!listed) records.push_back(std::move(record));
    }
    if (is_last) break;
  }
  co_return records;
}

// Durable calls come first, then the others, each the newest first: `after` says in which part we are.
net::Task<net::HttpResponse> list_calls(const Here& here, net::HttpExchange& exchange) {
  auto asked = read_asked(exchange.request().query, here.platform.clock.wall_now());
  if (!asked) co_return error_response(asked.error());
  store::RecordFilter& filter = asked->filter;
  const std::size_t limit = filter.limit;
  store::DurablePage durable;
  if (!filter.after || here.platform.call_log->owns(*filter.after)) {
    store::DurableFilter durable_filter{.function = filter.function,
                                        .state = filter.state,
                                        .since = filter.since,
                                        .limit = limit,
                                        .after = filter.after};
    auto listed = co_await list_durable(here, std::move(durable_filter));
    if (!listed) co_return error_response(listed.error());
    durable = *std::move(listed);
    filter.after.reset();
  }
  std::optional<CallId> next = durable.next;
  std::vector<Record> plain;
  if (!asked->durable_only && !next && durable.records.size() < limit) {
    filter.limit = limit - durable.records.size();
    auto listed = co_await list_plain(here, filter);
    if (!listed) co_return error_response(listed.error());
    plain = *std::move(listed);
  }
  if (!asked->durable_only && !next && durable.records.size() + plain.size() == limit) {
    next = plain.empty() ? durable.records.back().record.id : plain.back().id;
  }
  co_return json_response(page_json(durable.records, plain, next));
}

net::Task<net::HttpResponse> get_call(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto parameters = Parameters::read(exchange.request().query, {"wait"});
  if (!parameters) co_return error_response(parameters.error());
  const auto wait = parameters->duration("wait", here.platform.options.call_timeout_max);
  if (!wait) co_return error_response(wait.error());
  auto record = co_await find_call(here, id);
  if (record && !has_ended(*record) && *wait) {
    const Time until = here.platform.clock.now() + **wait;
    co_await wait_for_end(here, exchange, id, until);
    // The key may have been revoked meanwhile.
    if (!here.doorman.is_still(*here.who)) co_return error_response(no_such_call(id));
    record = co_await find_call(here, id);
  }
  if (!record) co_return error_response(record.error());
  co_return json_response(wire::to_json(*record));
}

net::Task<net::HttpResponse> get_result(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const auto record = co_await find_call(here, id);
  if (!record) co_return error_response(record.error());
  if (!has_ended(*record)) co_return json_response(wire::to_json(*record), 202);
  if (record->error) {
    net::HttpResponse response = error_response(*record->error, id);
    response.status = 424;
    co_return response;
  }
  const Error gone{Code::not_found,
                   "the output of call " + to_text(id) +
                       " went to its caller and is not kept; only asynchronous calls keep it"};
  co_return error_with_status(410, gone);
}

net::Task<net::HttpResponse> cancel_call(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const std::function<bool(exec::Core&)> question = [&platform = here.platform, id](exec::Core& core) {
    return platform.gateways[core.index()]->caller().cancel(id);
  };
  const auto mine = co_await find_call(here, id);
  if (!mine) co_return error_response(mine.error());
  const auto answers = co_await ask_all<bool>(here.core, here.platform.cores, question);
  const auto record = co_await find_call(here, id);
  if (!record) co_return error_response(record.error());
  if (std::ranges::find(answers.values, true) != answers.values.end()) {
    co_return json_response(wire::to_json(*record), 202);
  }
  // A late core ends it when it can.
  if (!has_ended(*record) && answers.late_count > 0) co_return error_response(late_cores(answers.late_count));
  const Error ended{Code::conflict,
                    "the call " + to_text(id) + " has ended already, as " + std::string(name(record->state))};
  co_return error_response(ended, id);
}

}  // namespace canopy::api
