// A method of a function's own, found by :authority. A container that speaks gRPC gets all of the body as it
// is, and so does the client what comes back. Of another function the message is the input, with the method
// as the path, and what the function answers goes back as a message.

#include <algorithm>
#include <array>
#include <utility>

#include "base/words.h"
#include "hyperfaas/answer.h"
#include "hyperfaas/server.h"
#include "wire/container.h"

namespace canopy::hyperfaas {
namespace {

constexpr std::size_t words_max = 1024;
constexpr int first_failure = 400;

constexpr std::array<std::string_view, 5> not_passed_on = {"content-type", "content-length", "grpc-status",
                                                           "grpc-message", "trailer"};

std::string_view header(const Reply& reply, std::string_view name) {
  const auto at =
      std::ranges::find_if(reply.headers, [name](const Header& one) { return same_word(one.name, name); });
  return at == reply.headers.end() ? std::string_view() : std::string_view(at->value);
}

Trailers metadata_of(Reply& reply) {
  Trailers metadata;
  for (Header& one : reply.headers) {
    const bool is_ours = std::ranges::any_of(
        not_passed_on, [&one](std::string_view name) { return same_word(one.name, name); });
    if (!is_ours) metadata.push_back({std::move(one.name), std::move(one.value)});
  }
  return metadata;
}

// A function may say its status itself; else that of HTTP tells.
net::HttpResponse response_of(Reply& reply) {
  const auto own = wire::parse_grpc_status(header(reply, "grpc-status"));
  const std::string words = wire::unescape_grpc_message(header(reply, "grpc-message"));
  Trailers metadata = metadata_of(reply);
  if (own && *own != wire::GrpcStatus::ok) return refusal(*own, words, std::move(metadata));
  if (!own && reply.status >= first_failure) {
    return refusal(wire::grpc_status_of_http(reply.status), reply.output.substr(0, words_max),
                   std::move(metadata));
  }
  std::string message = wire::grpc_prefix(reply.output.size());
  message += reply.output;
  net::HttpResponse response = answer(std::move(message));
  response.headers = std::move(metadata);
  return response;
}

bool speaks_grpc(const Function& function) {
  if (function.runtime != "container") return false;
  const auto settings = wire::container_settings(function.env);
  return settings && settings->contract == wire::ContainerSettings::Contract::grpc;
}

// What a container answered in gRPC, as it is.
net::HttpResponse passed_on(Reply& reply) {
  net::HttpResponse response;
  response.status = reply.status;
  for (Header& one : reply.headers) {
    if (same_word(one.name, "content-type")) {
      response.content_type = std::move(one.value);
    } else if (one.name.starts_with(wire::grpc_trailer_mark)) {
      response.trailers.push_back({one.name.substr(wire::grpc_trailer_mark.size()), std::move(one.value)});
    } else {
      response.headers.push_back({std::move(one.name), std::move(one.value)});
    }
  }
  response.body = std::move(reply.output);
  return response;
}

}  // namespace

net::Task<net::HttpResponse> HyperfaasServer::call_by_authority(const api::Here& here,
                                                                net::HttpExchange& exchange,
                                                                std::string_view id) {
  const net::HttpRequest& request = exchange.request();
  const auto timeout = read_timeout(request);
  if (!timeout) co_return refusal(timeout.error());
  const auto function = co_await find(here, id);
  if (!function) co_return refusal(function.error());
  api::ForeignCall asked;
  asked.path = request.path;
  asked.headers = metadata_of(request);
  asked.timeout = *timeout;
  if (speaks_grpc(**function)) {
    asked.input = request.body;
    for (const std::string_view name : {"grpc-encoding", "grpc-accept-encoding"}) {
      const std::string_view said = request.header(name);
      if (!said.empty()) asked.headers.push_back({name, said});
    }
    api::ForeignEnd end = co_await run(here, exchange, **function, asked);
    if (end.reply.error) co_return refusal(*end.reply.error);
    co_return passed_on(end.reply);
  }
  const auto message = wire::read_grpc_message(request.body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  api::ForeignEnd end = co_await run(here, exchange, **function, *message, *timeout, request.path);
  if (end.reply.error) co_return refusal(*end.reply.error);
  co_return response_of(end.reply);
}

}  // namespace canopy::hyperfaas
