#pragma once
// What an answer of gRPC says behind its body, or in its head where it has no body.

#include <optional>
#include <string>

#include "net/http2_client.h"
#include "wire/grpc.h"

namespace canopy::container {

// Nothing where it is no answer of gRPC.
std::optional<wire::GrpcStatus> grpc_status_of(const net::Http2Reply& reply);
std::string grpc_words_of(const net::Http2Reply& reply);

}  // namespace canopy::container
