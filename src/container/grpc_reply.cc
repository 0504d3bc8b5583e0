#include "container/grpc_reply.h"

#include <algorithm>

namespace canopy::container {
namespace {

std::string_view last_header(const net::Http2Reply& reply, std::string_view name) {
  const auto& headers = reply.trailers.empty() ? reply.headers : reply.trailers;
  const auto at = std::ranges::find(headers, name, &net::HttpHeader::name);
  return at == headers.end() ? std::string_view() : std::string_view(at->value);
}

}  // namespace

std::optional<wire::GrpcStatus> grpc_status_of(const net::Http2Reply& reply) {
  if (reply.status != 200) return std::nullopt;
  return wire::parse_grpc_status(last_header(reply, "grpc-status"));
}

std::string grpc_words_of(const net::Http2Reply& reply) {
  return wire::unescape_grpc_message(last_header(reply, "grpc-message"));
}

}  // namespace canopy::container
