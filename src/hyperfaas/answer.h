#pragma once
// Answers of gRPC as HTTP responses.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http.h"
#include "wire/grpc.h"

namespace canopy::hyperfaas {

using Trailers = std::vector<net::HttpHeader>;

// The head of any answer.
net::HttpResponse answer_head();
// `messages` as wire/hyperfaas.h writes them, and the status OK behind them.
net::HttpResponse answer(std::string messages, Trailers trailers = {});
// A status that is not OK; with no messages.
net::HttpResponse refusal(wire::GrpcStatus status, std::string_view message, Trailers trailers = {});
net::HttpResponse refusal(const wire::GrpcError& error);
net::HttpResponse refusal(const Error& error, Trailers trailers = {});
// What ends a stream.
Trailers status_trailers(wire::GrpcStatus status, std::string_view message = {});

}  // namespace canopy::hyperfaas
