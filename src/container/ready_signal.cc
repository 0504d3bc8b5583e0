#include "container/ready_signal.h"

#include <chrono>
#include <utility>

#include "base/units.h"
#include "wire/grpc.h"

namespace canopy::container {
namespace {

constexpr std::string_view method = "/worker.Worker/SignalReady";
constexpr std::uint64_t body_bytes_max = 4 * KiB;
constexpr std::size_t connections_max = 4;
constexpr std::uint32_t streams_max = 16;

net::HttpResponse answer_to(const net::HttpRequest& request) {
  net::HttpResponse response;
  response.content_type = "application/grpc";
  if (request.path == method) {
    response.body = wire::grpc_prefix(0);  // google.protobuf.Empty
    response.trailers = {{"grpc-status", "0"}};
    return response;
  }
  const auto unimplemented = std::to_string(static_cast<unsigned>(wire::GrpcStatus::unimplemented));
  response.headers = {{"grpc-status", unimplemented},
                      {"grpc-message", "here is worker.Worker/SignalReady and nothing else"}};
  return response;
}

net::Task<net::HttpResponse> serve(net::HttpExchange& exchange, std::function<void()> on_ready) {
  net::HttpResponse response = answer_to(exchange.request());
  if (!response.trailers.empty()) on_ready();
  co_return response;
}

}  // namespace

Result<std::unique_ptr<ReadySignal>> ReadySignal::open(exec::Core& core, Descriptor listener,
                                                       std::function<void()> on_ready) {
  net::HttpServerOptions options;
  options.listener = listener.release();
  options.connections_max = connections_max;
  options.streams_max = streams_max;
  options.sweep_period = std::chrono::seconds(5);
  const auto limit = [](const net::HttpRequest&) -> Result<std::uint64_t> { return body_bytes_max; };
  auto handler = [on_ready = std::move(on_ready)](net::HttpExchange& exchange) {
    return serve(exchange, on_ready);
  };
  CANOPY_TRY(auto server,
             net::make_http_server(core.io(), std::move(options), core.clock(), limit, std::move(handler)));
  return std::unique_ptr<ReadySignal>(new ReadySignal(std::move(server)));
}

}  // namespace canopy::container
