#include "api/calls.h"

#include <algorithm>
#include <utility>

#include "api/ask.h"
#include "api/durable_calls.h"
#include "api/event_stream.h"
#include "api/gateway.h"
#include "api/parameters.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

bool is_newer(const Record& a, const Record& b) {
  return std::pair(a.queued, a.id) > std::pair(b.queued, b.id);
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
