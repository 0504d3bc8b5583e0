#include "builders/reply.h"

#include <utility>

#include "base/units.h"
#include "base/utf8.h"
#include "wire/base64.h"
#include "wire/json_writer.h"
#include "wire/pickle.h"

namespace canopy::builders {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view not_importable = "the function cannot be imported: ";
constexpr std::string_view not_callable = "Payload is not callable";
constexpr std::size_t words_bytes_max = 16 * KiB;

// What str() makes of an exception, out of what a traceback ends with or a call's error begins with:
// "ValueError: bad", "dill.UnpicklingError: bad".
std::string_view without_type(std::string_view text) {
  const std::size_t end = text.find_first_of(": \n");
  if (end == std::string_view::npos || text[end] == '\n') return {};  // It has no message.
  return text.substr(end).starts_with(": ") ? text.substr(end + 2) : text;
}

std::string_view without_traceback(std::string_view text) {
  return text.substr(0, text.find("\nTraceback (most recent call last):\n"));
}

struct Failure {
  std::string_view type;  // Of Python's, that says the same.
  std::string text;       // In the words of FaaS Builders.
};

Failure explain(const Error& error) {
  const auto lost = [](std::string_view type, std::string_view words) {
    return Failure{.type = type, .text = "WorkerFailure: " + std::string(words)};
  };
  switch (error.code) {
    case Code::deadline:
      return lost("TimeoutError", "Task execution timed out");
    case Code::died:
      return lost("RuntimeError", "Worker failed during task execution");
    case Code::canceled:
      return lost("RuntimeError", "Task was cancelled");
    case Code::function_failed:
    case Code::limit: {
      const std::string_view said = without_traceback(error.message);
      const std::string_view words = error.code == Code::limit ? said : without_type(said);
      return {.type = "RuntimeError",
              .text = "FailedFunctionError: Failed task execution due to " + std::string(words)};
    }
    default:
      return lost("RuntimeError", error.message);
  }
}

// Whether that is what a function that dill has serialised answers with.
bool is_serialised(std::string_view text) {
  const auto bytes = wire::read_base64(text);
  return bytes && wire::check_pickle(*bytes);
}

}  // namespace

net::HttpResponse answer(std::string json, int status) {
  net::HttpResponse response;
  response.status = status;
  response.content_type = json_type;
  response.body = std::move(json);
  return response;
}

net::HttpResponse detail(int status, std::string_view text) {
  wire::JsonWriter json;
  json.begin_object();
  json.member("detail", text);
  json.end_object();
  return answer(json.take_text(), status);
}

net::HttpResponse unprocessable(std::string_view json) {
  return answer("{\"detail\":" + std::string(json) + "}", 422);
}

net::HttpResponse failure(const Error& error, std::string_view before) {
  net::HttpResponse response = detail(http_status(error.code), std::string(before) + error.message);
  if (may_retry(error.code)) response.headers.push_back({"Retry-After", "1"});
  return response;
}

net::HttpResponse not_found() { return detail(404, "Not Found"); }

net::HttpResponse method_not_allowed(std::string_view allowed) {
  net::HttpResponse response = detail(405, "Method Not Allowed");
  response.headers.push_back({"Allow", std::string(allowed)});
  return response;
}

net::HttpResponse redirect(std::string_view to) {
  net::HttpResponse response;
  response.status = 307;
  response.headers.push_back({"Location", std::string(to)});
  return response;
}

net::HttpResponse unauthorized(const Error& error) {
  net::HttpResponse response = detail(401, error.message);
  response.headers.push_back({"WWW-Authenticate", R"(Bearer realm="canopy")"});
  return response;
}

net::HttpResponse invalid_payload(std::string_view message) {
  if (message.starts_with(not_importable)) {
    message = without_type(message.substr(not_importable.size()));
  }
  message = message.substr(0, message.find_last_not_of('\n') + 1);
  const std::string status = message == not_callable ? "400: " : "";  // FaaS Builders caught its own refusal.
  return detail(400, "Invalid function payload: " + status + std::string(message));
}

std::string_view status_word(State state, std::string_view completed) {
  switch (state) {
    case State::queued:
      return "QUEUED";
    case State::running:
      return "RUNNING";
    case State::completed:
      return completed;
    default:
      return "FAILED";
  }
}

std::optional<std::string> result_text(const store::StoredResult& result, Failures failures) {
  if (result.state == State::completed) {
    return is_serialised(result.output) ? std::optional(result.output) : std::nullopt;
  }
  if (failures == Failures::exceptions && wire::check_pickle(result.output)) {
    return wire::write_base64(result.output);
  }
  Failure failure = explain(result.error.value_or(Error{Code::canceled, "", Stage::none}));
  if (failure.text.size() > words_bytes_max) failure.text.resize(words_bytes_max);
  failure.text = repaired_utf8(failure.text);
  const bool as_object = failures == Failures::exceptions && failure.text.starts_with("WorkerFailure");
  return wire::write_base64(as_object ? wire::pickle_exception(failure.type, failure.text)
                                      : wire::pickle_text(failure.text));
}

}  // namespace canopy::builders
