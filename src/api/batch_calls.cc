#include "api/batch_calls.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api/durable_log.h"
#include "api/functions.h"
#include "api/large_body.h"
#include "api/parameters.h"
#include "wire/batch.h"
#include "wire/json.h"
#include "wire/json_writer.h"

namespace canopy::api {
namespace {

constexpr int all_accepted = 202;
constexpr int some_accepted = 207;  // Multi-Status.

using Answer = Result<store::Accepted>;

void append(const Answer& answer, wire::JsonWriter& json) {
  if (!answer) return json.raw(wire::error_json(answer.error()));
  json.begin_object();
  json.member("id", to_text(answer->id));
  json.member("existed", answer->existed);
  json.end_object();
}

net::HttpResponse answer_with(const std::vector<Answer>& answers) {
  std::size_t accepted = 0;
  wire::JsonWriter json;
  json.begin_object();
  json.key("calls");
  json.begin_array();
  for (const Answer& answer : answers) {
    if (answer) ++accepted;
    append(answer, json);
  }
  json.end_array();
  json.member("accepted", accepted);
  json.end_object();
  return json_response(json.take_text(), accepted == answers.size() ? all_accepted : some_accepted);
}

}  // namespace

net::Task<net::HttpResponse> submit_batch(const Here& here, net::HttpExchange& exchange,
                                          FunctionName function) {
  const auto parameters = Parameters::read(exchange.request().query, {});
  if (!parameters) co_return error_response(parameters.error());
  const auto snapshot = here.platform.catalog.snapshot();
  if (!snapshot->functions.contains(function)) co_return error_response(no_such_function(function));
  if (here.platform.draining) co_return error_response(stopping());
  const std::string& body = exchange.request().body;
  const std::function<Result<std::vector<DurableCall>>()> parse = [&body] { return wire::parse_batch(body); };
  auto calls = co_await read_body(here, body.size(), parse);
  if (!calls) co_return error_response(calls.error());
  std::vector<Answer> answers;
  answers.reserve(calls->size());
  std::vector<LogAnswer<store::Accepted>> waiting;
  std::vector<std::size_t> places;  // Of those that wait, in `answers`.
  for (DurableCall& call : *calls) {
    call.function = function;
    Duration retry_after{};  // Not said: each call would have one of its own.
    if (auto kept = keep_input(here, call, retry_after); !kept) {
      answers.emplace_back(tl::unexpected(std::move(kept).error()));
      continue;
    }
    places.push_back(answers.size());
    answers.emplace_back();
    waiting.push_back(begin_append(here, std::move(call)));
  }
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    auto answer = co_await waiting[i].wait();
    answers[places[i]] = std::move(answer);
  }
  co_return answer_with(answers);
}

}  // namespace canopy::api
