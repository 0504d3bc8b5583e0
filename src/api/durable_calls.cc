#include "api/durable_calls.h"

#include <algorithm>
#include <utility>

#include "api/alarm.h"
#include "api/ask.h"
#include "api/calls.h"
#include "api/durable_log.h"
#include "api/event_stream.h"
#include "api/functions.h"
#include "api/gateway.h"
#include "api/parameters.h"
#include "net/address.h"
#include "net/event.h"
#include "net/url.h"
#include "wire/headers.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

constexpr Duration queue_retry_after = std::chrono::seconds(5);
constexpr std::size_t callback_url_bytes_max = 2048;
constexpr int insufficient_storage = 507;
constexpr std::string_view pickle_type = "application/x-pickle";  // What a function in Python raised.

net::HttpResponse log_error(const Here& here, const Error& error, std::optional<CallId> id = std::nullopt) {
  net::HttpResponse response = error_response(error, id, queue_retry_after);
  // A disk of ours is full or failing; a store that is away comes back.
  const bool has_disk = here.platform.options.store.empty();
  if (error.code == Code::unavailable && has_disk) response.status = insufficient_storage;
  return response;
}

Error expired(CallId id) {
  return {Code::not_found, "the call " + to_text(id) + " ended so long ago that it is forgotten"};
}

net::HttpResponse find_error(const Error& error, CallId id) {
  if (error.code == Code::not_found && error.message == no_such_call(id).message)
    return error_response(error);
  if (error.code == Code::not_found) return error_with_status(410, expired(id));
  return error_response(error, id);
}

// An address that is written out can be judged at once; a name only when it is sent to.
Result<std::string> read_callback(std::string_view text, bool allow_private) {
  if (text.size() > callback_url_bytes_max) {
    return fail(Code::invalid,
                "X-Callback-Url is longer than " + std::to_string(callback_url_bytes_max) + " bytes");
  }
  std::string url(text);
  auto parsed = net::parse_url(url.substr(0, url.find('?')));
  if (!parsed) return fail(Code::invalid, "X-Callback-Url: " + parsed.error().message);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(parsed->host, error);
  if (!allow_private && ((!error && !net::is_public(address)) || parsed->host == "localhost")) {
    return fail(Code::invalid, "X-Callback-Url: " + parsed->host +
                                   " is of this machine or of a private network; callbacks go to public "
                                   "addresses only, unless the server says --callback-private");
  }
  return url;
}

bool is_passed_on(std::string_view name) {
  static constexpr std::array<std::string_view, 15> kept_back = {"Connection",
                                                                 "Keep-Alive",
                                                                 "Proxy-Connection",
                                                                 "Transfer-Encoding",
                                                                 "TE",
                                                                 "Trailer",
                                                                 "Upgrade",
                                                                 "Expect",
                                                                 "Proxy-Authorization",
                                                                 "Idempotency-Key",
                                                                 "X-Callback-Url",
                                                                 "X-Canopy-Retry",
                                                                 "X-Canopy-Timeout",
                                                                 "Host",
                                                                 "Content-Length"};
  return std::ranges::none_of(kept_back,
                              [name](std::string_view kept) { return wire::same_word(name, kept); });
}

// What opens this server is neither kept nor handed on.
bool is_our_key(std::string_view name, std::string_view value) {
  return wire::same_word(name, "Authorization") && shows_key(value);
}

Result<DurableCall> read_call(const Here& here, net::HttpExchange& exchange, const wire::Route& route) {
  net::HttpRequest& request = exchange.request();
  const Options& options = here.platform.options;
  DurableCall call;
  call.function = route.function;
  call.method = request.method;
  call.path = route.rest;
  call.query = request.query;
  for (const auto& [name, value] : request.headers) {
    if (wire::same_word(name, "X-Canopy-Timeout")) {
      CANOPY_TRY(const Duration asked, wire::parse_timeout(value));
      call.timeout = std::min(asked, options.call_timeout_max);
    } else if (wire::same_word(name, "X-Canopy-Retry")) {
      CANOPY_TRY(call.retries_max, wire::parse_retry(value));
    } else if (wire::same_word(name, "Idempotency-Key")) {
      CANOPY_TRY(call.idempotency_key, wire::parse_idempotency_key(value));
    } else if (wire::same_word(name, "X-Callback-Url")) {
      CANOPY_TRY(call.callback_url, read_callback(value, options.callback_private));
    } else if (wire::same_word(name, "traceparent") && wire::parse_traceparent(value)) {
      call.trace = value;
    }
    if (is_passed_on(name) && !is_our_key(name, value))
      call.headers.push_back({std::string(name), std::string(value)});
  }
  call.input = std::move(request.body);
  return call;
}

net::Task<net::HttpResponse> submit(const Here& here, net::HttpExchange& exchange, wire::Route route) {
  const auto snapshot = here.platform.catalog.snapshot();
  if (!snapshot->functions.contains(route.function))
    co_return error_response(no_such_function(route.function));
  if (here.platform.draining) co_return error_response(stopping());
  auto call = read_call(here, exchange, route);
  if (!call) co_return error_response(call.error());
  Duration retry_after = std::chrono::seconds(1);
  if (const auto kept = keep_input(here, *call, retry_after); !kept) {
    co_return error_response(kept.error(), std::nullopt, retry_after);
  }
  const auto accepted = co_await append_durable(here, *std::move(call));
  if (!accepted) co_return log_error(here, accepted.error());
  const std::string id = to_text(accepted->id);
  net::HttpResponse response = json_response("{\"id\":\"" + id + "\"}", 202);
  response.headers.push_back({"Location", "/v1/calls/" + id});
  response.headers.push_back({"X-Call-Id", id});
  if (accepted->existed) response.headers.push_back({"Idempotency-Replayed", "true"});
  co_return response;
}

bool is_over(const DurableRecord& record) { return has_ended(record.record); }

// Each state that it comes to, until the last.
net::Task<net::HttpResponse> follow_state(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto is_it = [id](const Happening& happening) {
    return happening.call == id && happening.kind != Happening::Kind::log_piece;
  };
  auto follower = make_follower(here, is_it);
  if (!follower) co_return too_many_followers();
  const auto record = co_await look_up_durable(here, id);
  if (!record) co_return find_error(record.error(), id);
  EventStream stream(here, exchange, std::move(follower));
  const bool started = co_await stream.start();
  if (!started) co_return net::HttpResponse();
  std::string first;
  append_event(is_over(*record) ? "call.ended" : "call", wire::to_json(*record), first);
  const bool there = co_await stream.send(std::move(first));
  if (!there || is_over(*record)) co_return net::HttpResponse();
  const EventStream::Show show = [](const Happening& happening, std::string& out) {
    append_event(name(happening.kind), happening.text, out);
    return happening.kind != Happening::Kind::call_ended;
  };
  co_await stream.follow(show);
  co_return net::HttpResponse();
}

net::Task<net::HttpResponse> get(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto parameters = Parameters::read(exchange.request().query, {"wait"});
  if (!parameters) co_return error_response(parameters.error());
  const auto wait = parameters->duration("wait", here.platform.options.call_timeout_max);
  if (!wait) co_return error_response(wait.error());
  if (exchange.request().header("Accept").find("text/event-stream") != std::string_view::npos) {
    co_return co_await follow_state(here, exchange, id);
  }
  auto record = co_await look_up_durable(here, id);
  if (record && !is_over(*record) && *wait) {
    const Time until = here.platform.clock.now() + **wait;
    const auto is_it = [id](const Happening& happening) {
      return happening.kind == Happening::Kind::call_ended && happening.call == id;
    };
    const auto follower = make_follower(here, is_it);
    if (!follower) co_return too_many_followers();
    record = co_await look_up_durable(here, id);  // It may have ended before somebody followed.
    if (record && !is_over(*record)) {
      co_await wait_for_news(here, exchange, *follower, until);
      record = co_await look_up_durable(here, id);
      // The key may have been revoked meanwhile.
      if (!here.doorman.is_still(*here.who)) record = tl::unexpected(no_such_call(id));
    }
  }
  if (!record) co_return find_error(record.error(), id);
  co_return json_response(wire::to_json(*record));
}

net::Task<net::HttpResponse> result(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const auto allowed = co_await look_up_durable(here, id);
  if (!allowed) co_return find_error(allowed.error(), id);
  auto stored = co_await durable_result(here, id);
  if (!stored) co_return find_error(stored.error(), id);
  if (stored->state == State::queued || stored->state == State::running) {
    const auto record = co_await look_up_durable(here, id);
    if (!record) co_return find_error(record.error(), id);
    co_return json_response(wire::to_json(*record), 202);
  }
  if (stored->error) {
    net::HttpResponse response = error_response(*stored->error, id);
    response.status = 424;
    const std::string_view accept = exchange.request().header("Accept");
    if (!stored->output.empty() && accept.find(pickle_type) != std::string_view::npos) {
      response.content_type = pickle_type;
      response.body = std::move(stored->output);
    }
    co_return response;
  }
  Reply reply;
  reply.status = stored->status;
  reply.headers = std::move(stored->headers);
  reply.output = std::move(stored->output);
  reply.usage = stored->usage;
  co_return call_response(reply, id);
}

net::Task<net::HttpResponse> cancel(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const auto allowed = co_await look_up_durable(here, id);
  if (!allowed) co_return find_error(allowed.error(), id);
  const auto cancelled = co_await cancel_durable(here, id);
  if (!cancelled && cancelled.error().code == Code::unavailable)
    co_return log_error(here, cancelled.error(), id);
  if (!cancelled && cancelled.error().code == Code::not_found) co_return find_error(cancelled.error(), id);
  if (!cancelled) co_return error_response(cancelled.error(), id);
  const auto record = co_await look_up_durable(here, id);
  if (!record) co_return find_error(record.error(), id);
  co_return json_response(wire::to_json(*record));
}

// The quota of whoever owned the function when the call was made, as it is now.
std::optional<std::uint64_t> waiting_max(const Here& here, const DurableRecord& call) {
  const auto accounts = here.platform.catalog.users().snapshot();
  const auto owner = accounts->by_id.find(call.record.owner);
  return owner == accounts->by_id.end() ? std::nullopt : owner->second->quotas.queued_calls;
}

net::Task<net::HttpResponse> retry(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  if (!here.platform.call_log->owns(id)) {
    const auto record = co_await find_call(here, id);
    if (!record) co_return error_response(record.error());
    const Error other{Code::conflict, "the call " + to_text(id) +
                                          " was not a durable one, so its input is not kept; call it again"};
    co_return error_response(other, id);
  }
  const auto allowed = co_await look_up_durable(here, id);
  if (!allowed) co_return find_error(allowed.error(), id);
  LogAnswer<FunctionName> answer(here.core);
  here.platform.call_log->redrive(id, waiting_max(here, *allowed), answer.done());
  const auto redriven = co_await answer.wait();
  if (!redriven && redriven.error().code == Code::not_found) co_return find_error(redriven.error(), id);
  if (!redriven) co_return log_error(here, redriven.error(), id);
  const auto record = co_await look_up_durable(here, id);
  if (!record) co_return find_error(record.error(), id);
  net::HttpResponse response = json_response(wire::to_json(*record), 202);
  response.headers.push_back({"Location", "/v1/calls/" + to_text(id)});
  co_return response;
}

}  // namespace

bool is_durable(const Platform& platform, const wire::Route& route) {
  using wire::Target;
  switch (route.target) {
    case Target::async_call:
    case Target::call_retry:
      return true;
    case Target::call_record:
    case Target::call_result:
      return platform.call_log->owns(route.call);
    default:
      return false;
  }
}

net::Task<net::HttpResponse> serve_durable(const Here& here, net::HttpExchange& exchange, wire::Route route) {
  using wire::Target;
  switch (route.target) {
    case Target::async_call:
      co_return co_await submit(here, exchange, std::move(route));
    case Target::call_retry:
      co_return co_await retry(here, exchange, route.call);
    case Target::call_result:
      co_return co_await result(here, exchange, route.call);
    default:
      if (exchange.request().method == "DELETE") co_return co_await cancel(here, exchange, route.call);
      co_return co_await get(here, exchange, route.call);
  }
}

net::Task<Result<Record>> find_durable(const Here& here, CallId id) {
  const std::function<Result<Record>()> work = [&log = *here.platform.call_log, id,
                                                who = here.who]() -> Result<Record> {
    CANOPY_TRY(DurableRecord found, log.find(id));
    if (!who->sees(found.record)) return tl::unexpected(no_such_call(id));
    if (!has_ended(found.record)) return std::move(found.record);
    CANOPY_TRY(store::StoredLog text, log.log(id));
    found.record.log = std::move(text.text);
    return std::move(found.record);
  };
  auto found = co_await net::run_blocking<Record>(here.platform.disk, work);
  if (!found && found.error().code == Code::not_found) found = tl::unexpected(no_such_call(id));
  if (!found || found->state != State::running) co_return found;
  using Found = std::optional<Record>;
  const std::function<Found(exec::Core&)> question = [&platform = here.platform, id](exec::Core& core) {
    return platform.gateways[core.index()]->caller().find_running(id);
  };
  const auto answers = co_await ask_each<Found>(here.core, here.platform.cores, question);
  if (!answers) co_return tl::unexpected(answers.error());
  for (const Found& answer : *answers) {
    if (answer) found->log = answer->log;
  }
  co_return found;
}

}  // namespace canopy::api
