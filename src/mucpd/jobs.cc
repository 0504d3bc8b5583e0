// Jobs of MUCPD: durable calls, asked for and asked after.

#include <functional>
#include <utility>

#include "api/calls.h"
#include "api/durable_log.h"
#include "mucpd/job_id.h"
#include "mucpd/names.h"
#include "mucpd/reply.h"
#include "mucpd/runner.h"
#include "mucpd/server.h"
#include "wire/json_read.h"

namespace canopy::mucpd {
namespace {

constexpr std::string_view undefined;
constexpr wire::JsonLimits argument_limits = {.bytes_max = MiB, .depth_max = 1000, .strict = true};

net::HttpResponse invalid_job(std::string_view job) {
  return failure("[ERR] Invalid job_id (" + std::string(job) + ")");
}

// The text of a JSON array; or what is wrong with it, in MUCPD's words.
Result<std::string> read_arguments(const net::HttpRequest& request) {
  const bool has_body =
      !request.header("Content-Length").empty() || !request.header("Transfer-Encoding").empty();
  // What Express makes of a request without a body is an object.
  std::string text = has_body ? text_of(request.body) : "[object Object]";
  const auto kind = wire::json_kind(text, argument_limits);
  if (!kind) return fail(Code::invalid, "Invalid argv (" + text + ") - invalid JSON");
  if (*kind != wire::JsonKind::array)
    return fail(Code::invalid, "Invalid argv (" + text + ") - not an array");
  return text;
}

// How the client calls it, as far as that can be told from what it is called here.
std::string function_word(const FunctionName& function) {
  std::string word = unescape(function.name);
  return word.empty() ? function.name : word;
}

}  // namespace

net::Task<net::HttpResponse> MucpdServer::run(const api::Here& here, net::HttpExchange& exchange,
                                              Asked asked) {
  const auto snapshot = here.platform.catalog.snapshot();
  if (!has_user(*snapshot, asked.user)) co_return failure(no_user(asked.user));
  DurableCall call;
  call.function = function_of(asked.user, asked.function);
  const auto at = snapshot->functions.find(call.function);
  if (at == snapshot->functions.end() || !source_of(*at->second))
    co_return failure(no_function(asked.function));
  auto arguments = read_arguments(exchange.request());
  if (!arguments) co_return failure(arguments.error());
  if (here.platform.draining) co_return failure(api::stopping());
  call.input = *std::move(arguments);
  // So that the runner gets the text as it is, however many arguments there are, and its own comes back so.
  call.headers = {{"Content-Type", "text/plain"}, {"Accept", "text/plain"}};
  Duration retry_after{};
  if (const auto kept = api::keep_input(here, call, retry_after); !kept) co_return failure(kept.error());
  const auto accepted = co_await api::append_durable(here, std::move(call));
  if (!accepted) co_return failure(accepted.error());
  recent_.note(accepted->id, Progress::waiting);
  co_return success('"' + job_text(store::shorten(accepted->id)) + '"');
}

bool MucpdServer::sees_all(const api::Here& here) const { return open_ || here.who->subject.every_space; }

net::Task<Result<std::optional<MucpdServer::Job>>> MucpdServer::find_job(const api::Here& here, CallId id,
                                                                         bool with_result) const {
  using Found = std::optional<Job>;
  const std::function<Result<Found>()> work = [&log = *here.platform.call_log, id, with_result,
                                               who = here.who, all = sees_all(here)]() -> Result<Found> {
    auto record = log.find(id);
    if (!record && record.error().code == Code::not_found) return std::nullopt;
    if (!record) return tl::unexpected(std::move(record).error());
    const Record& seen = record->record;
    if (!is_space(seen.function.space) || !(all || who->sees(seen)) || seen.state == State::canceled) {
      return std::nullopt;
    }
    Job job{.record = *std::move(record), .result = {}};
    if (with_result && api::has_ended(job.record.record)) {
      CANOPY_TRY(job.result, log.result(id));
    }
    return job;
  };
  return net::run_blocking<Found>(here.platform.disk, work);
}

net::Task<net::HttpResponse> MucpdServer::job_status(const api::Here& here, Asked asked) {
  if (!is_object_id(asked.job)) co_return invalid_job(asked.job);
  const auto left = parse_job_id(asked.job);
  const auto id = left ? here.platform.call_log->restore(*left) : std::nullopt;
  if (!id) co_return success(undefined);
  // With a shared store a job may end elsewhere, and word of it get lost on the way.
  const bool knows_ends = sees_all(here) && here.platform.options.store.empty();
  if (const auto progress = knows_ends ? recent_.find(*id) : std::nullopt) {
    if (*progress == Progress::gone) co_return success(undefined);
    co_return success(*progress == Progress::ended ? "1" : "0");
  }
  const auto job = co_await find_job(here, *id, false);
  if (!job) co_return failure(job.error());
  if (!*job) co_return success(undefined);
  co_return success(api::has_ended((*job)->record.record) ? "1" : "0");
}

net::Task<net::HttpResponse> MucpdServer::job_result(const api::Here& here, Asked asked) {
  if (!is_object_id(asked.job)) co_return invalid_job(asked.job);
  const auto left = parse_job_id(asked.job);
  const auto id = left ? here.platform.call_log->restore(*left) : std::nullopt;
  if (!id) co_return success(undefined);
  const auto job = co_await find_job(here, *id, true);
  if (!job) co_return failure(job.error());
  if (!*job || !api::has_ended((*job)->record.record)) co_return success(undefined);
  const std::string function = function_word((*job)->record.record.function);
  const auto print = asked.door == Door::job_typed ? typed_json : result_json;
  co_return success(print((*job)->result, function, job_timeout(here.platform.options)));
}

net::Task<net::HttpResponse> MucpdServer::remove_job(const api::Here& here, Asked asked) {
  constexpr std::string_view none = "0";
  constexpr std::string_view one = "1";
  if (!is_object_id(asked.job)) co_return invalid_job(asked.job);
  const auto left = parse_job_id(asked.job);
  const auto id = left ? here.platform.call_log->restore(*left) : std::nullopt;
  if (!id) co_return success(none);
  const auto job = co_await find_job(here, *id, false);
  if (!job) co_return failure(job.error());
  if (!*job) co_return success(none);
  bool ended = api::has_ended((*job)->record.record);
  if (!ended) {
    const auto cancelled = co_await api::cancel_durable(here, *id);
    ended = !cancelled && cancelled.error().code == Code::conflict;  // Just now.
    if (!cancelled && !ended) co_return failure(cancelled.error());
  }
  if (ended) {
    const auto forgotten = co_await api::forget_durable(here, *id);
    const bool was_gone = !forgotten && forgotten.error().code == Code::not_found;
    if (was_gone) co_return success(none);
    if (!forgotten) co_return failure(forgotten.error());
  }
  recent_.note(*id, Progress::gone);
  co_return success(one);
}

}  // namespace canopy::mucpd
