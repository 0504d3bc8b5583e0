#include "hyperfaas/stream.h"

#include <utility>

#include "hyperfaas/answer.h"

namespace canopy::hyperfaas {
namespace {

constexpr Duration look_period = std::chrono::milliseconds(250);

}  // namespace

MessageStream::MessageStream(const api::Here& here, net::HttpExchange& exchange, net::Event& event)
    : here_(here), exchange_(exchange), event_(event), alarm_(here.core) {}

MessageStream::~MessageStream() { exchange_.on_client_gone(nullptr); }

net::Task<bool> MessageStream::start() {
  exchange_.on_client_gone([this] {
    is_gone_ = true;
    event_.set();
  });
  const bool started = co_await exchange_.start_stream(answer_head());
  if (!started) is_gone_ = true;
  co_return started;
}

net::Task<void> MessageStream::send(std::string messages) {
  if (is_gone_ || messages.empty()) co_return;
  const bool sent = co_await exchange_.write(messages);
  if (!sent) is_gone_ = true;
}

bool MessageStream::goes_on() const {
  return !is_gone_ && !here_.platform.draining && here_.doorman.is_still(*here_.who);
}

net::Task<void> MessageStream::wait() {
  alarm_.set(here_.core.clock().now() + look_period, [this] { event_.set(); });
  co_await event_.wait();
  alarm_.stop();
}

net::HttpResponse MessageStream::end() const {
  net::HttpResponse response;
  if (here_.platform.draining) {
    response.trailers = status_trailers(wire::GrpcStatus::unavailable, "the server stops; ask another one");
  } else if (!here_.doorman.is_still(*here_.who)) {
    response.trailers =
        status_trailers(wire::GrpcStatus::unauthenticated, "the key was revoked, or has expired");
  } else {
    response.trailers = status_trailers(wire::GrpcStatus::ok);
  }
  return response;
}

}  // namespace canopy::hyperfaas
