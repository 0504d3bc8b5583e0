#pragma once
// Answers in the words of FaaS Builders, byte for byte, and of FastAPI where that spoke for it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"
#include "store/call_log.h"

namespace canopy::builders {

// JSON without a line's end.
net::HttpResponse answer(std::string json, int status = 200);
// {"detail":"<text>"}
net::HttpResponse detail(int status, std::string_view text);
// {"detail":<json>}, 422.
net::HttpResponse unprocessable(std::string_view json);
// What our own API would answer, in that shape.
net::HttpResponse failure(const Error& error, std::string_view before = "");

net::HttpResponse not_found();
net::HttpResponse method_not_allowed(std::string_view allowed);
net::HttpResponse redirect(std::string_view to);
net::HttpResponse unauthorized(const Error& error);

// "Invalid function payload: …", 400. `message` is the runtime's, of a function that it cannot import, or
// another's; what is shown is what Python said.
net::HttpResponse invalid_payload(std::string_view message);

// What /status calls that state. `completed` is "COMPLETED" or "COMPLETE".
std::string_view status_word(State state, std::string_view completed);

// How a failed task tells why.
enum class Failures : std::uint8_t {
  strings,     // As FaaS Builders did: "FailedFunctionError: Failed task execution due to …".
  exceptions,  // The exception, where it can be serialised; else that text.
};

// What /result shows of a call that has ended; nothing where that is not what a serialised function gives.
std::optional<std::string> result_text(const store::StoredResult& result, Failures failures);

}  // namespace canopy::builders
