#include "hyperfaas/answer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/utf8.h"

namespace canopy::hyperfaas {
namespace {

constexpr std::size_t message_bytes_max = 2048;  // Clients have room for 8 KiB of headers in all.

}  // namespace

net::HttpResponse answer_head() {
  net::HttpResponse head;
  head.content_type = "application/grpc";
  return head;
}

net::HttpResponse answer(std::string messages, Trailers trailers) {
  net::HttpResponse response = answer_head();
  response.body = std::move(messages);
  response.trailers = std::move(trailers);
  response.trailers.push_back({"grpc-status", "0"});
  return response;
}

Trailers status_trailers(wire::GrpcStatus status, std::string_view message) {
  Trailers trailers = {{"grpc-status", std::to_string(static_cast<unsigned>(status))}};
  if (!message.empty()) {
    const std::string text = repaired_utf8(message.substr(0, message_bytes_max));
    trailers.push_back({"grpc-message", wire::escape_grpc_message(text)});
  }
  return trailers;
}

// All of it in the head, since there is no body.
net::HttpResponse refusal(wire::GrpcStatus status, std::string_view message, Trailers trailers) {
  net::HttpResponse response = answer_head();
  response.headers = status_trailers(status, message);
  std::ranges::move(trailers, std::back_inserter(response.headers));
  if (status == wire::GrpcStatus::unimplemented)
    response.headers.push_back({"grpc-accept-encoding", "identity"});
  return response;
}

net::HttpResponse refusal(const wire::GrpcError& error) { return refusal(error.status, error.message); }

net::HttpResponse refusal(const Error& error, Trailers trailers) {
  return refusal(wire::grpc_status(error.code), error.message, std::move(trailers));
}

}  // namespace canopy::hyperfaas
