#pragma once
// For tests: a server and its clients in one thread, on loopback and a clock that stands still. Nothing
// sleeps: the io_context is driven until a condition holds, for a bounded number of events.

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <boost/asio/steady_timer.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/http_server.h"

namespace canopy::net {

// A client that sends what it is told, byte by byte, and keeps what comes back.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer_bytes = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    CANOPY_CHECK(socket_ >= 0);
    if (receive_buffer_bytes != 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int result = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    CANOPY_CHECK(result == 0 || errno == EINPROGRESS);
  }
  RawClient(RawClient&& other) noexcept
      : received(std::move(other.received)), ended(other.ended), socket_(std::exchange(other.socket_, -1)) {}
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() { leave(); }

  // How many bytes the kernel took.
  std::size_t send(std::string_view bytes) {
    const auto size = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return size < 0 ? 0 : static_cast<std::size_t>(size);
  }

  void read() {
    char bytes[65536];
    while (!ended) {
      const auto size = ::recv(socket_, bytes, sizeof bytes, 0);
      if (size > 0) {
        received.append(bytes, static_cast<std::size_t>(size));
      } else if (size < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
        return;
      } else {
        ended = true;
      }
    }
  }

  void send_no_more() { ::shutdown(socket_, SHUT_WR); }
  void leave() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  // Leaves so that the other side sees a broken connection.
  void break_off() {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    leave();
  }

  // How often `text` came.
  std::size_t count(std::string_view text) const {
    std::size_t found = 0;
    for (auto at = received.find(text); at != std::string::npos; at = received.find(text, at + text.size())) {
      ++found;
    }
    return found;
  }
  // The status of the first response; 0 for none.
  int status() const {
    if (!received.starts_with("HTTP/1.1 ") || received.size() < 12) return 0;
    return std::stoi(received.substr(9, 3));
  }
  // What follows the first empty line.
  std::string body() const {
    const auto end = received.find("\r\n\r\n");
    return end == std::string::npos ? "" : received.substr(end + 4);
  }

  std::string received;
  bool ended = false;

 private:
  int socket_;
};

// Handlers for it: capturing lambdas must not be coroutines themselves.
inline Task<HttpResponse> reply(HttpResponse response) { co_return response; }

// "METHOD path?query body=…", so that a test sees what the handler saw.
inline Task<HttpResponse> echo(HttpExchange& exchange) {
  const auto& request = exchange.request();
  HttpResponse response;
  response.content_type = "text/plain";
  response.body.append(request.method).append(" ").append(request.path).append("?");
  response.body.append(request.query).append(" body=").append(request.body);
  return reply(std::move(response));
}

// Answers with an empty 200 once `go_on`, which it sets, is called. `go_on` may outlive the io_context.
inline Task<HttpResponse> wait_for(HttpExchange& exchange, std::function<void()>& go_on) {
  auto timer = std::make_shared<asio::steady_timer>(exchange.io(), asio::steady_timer::time_point::max());
  go_on = [weak = std::weak_ptr(timer)] {
    if (const auto waiting = weak.lock()) waiting->cancel();
  };
  co_await timer->async_wait(use_task);
  co_return HttpResponse();
}

class Loopback {
 public:
  static HttpServerOptions default_options() {
    HttpServerOptions options;
    options.sweep_period = Duration::zero();
    return options;
  }

  explicit Loopback(HttpHandler handler, HttpServerOptions options = default_options(),
                    std::uint64_t body_bytes_max = 1 << 20)
      : Loopback(std::move(handler), std::move(options),
                 BodyLimit([body_bytes_max](const HttpRequest&) -> Result<std::uint64_t> {
                   return body_bytes_max;
                 })) {}
  Loopback(HttpHandler handler, HttpServerOptions options, BodyLimit limit) {
    auto made = make_http_server(io, std::move(options), clock, std::move(limit), std::move(handler));
    if (!made) error = made.error().message;
    CANOPY_CHECK(made.has_value());
    server = *std::move(made);
  }

  RawClient connect() const { return RawClient(server->port()); }

  // Lets events happen until `condition` holds; false if it never did.
  template <class Condition>
  bool until(Condition condition) {
    constexpr int waits_max = 400;
    for (int waits = 0; waits < waits_max;) {
      if (condition()) return true;
      if (io.stopped()) io.restart();
      if (io.run_one_for(std::chrono::milliseconds(10)) == 0) ++waits;
    }
    return condition();
  }
  // What can happen at once.
  void step() {
    for (int i = 0; i < 4; ++i) {
      if (io.stopped()) io.restart();
      io.poll();
    }
  }
  // Until nothing more happens by itself.
  void settle() {
    int quiet = 0;
    for (int events = 0; quiet < 3 && events < 100'000; ++events) {
      if (io.stopped()) io.restart();
      quiet = io.run_one_for(std::chrono::milliseconds(2)) == 0 ? quiet + 1 : 0;
    }
  }
  // Sends all of it, while the server reads.
  bool send(RawClient& client, std::string_view bytes) {
    return until([&] {
      client.read();
      bytes.remove_prefix(client.send(bytes));
      return bytes.empty() || client.ended;
    });
  }
  bool until_received(RawClient& client, std::string_view text, std::size_t times = 1) {
    return until([&] {
      client.read();
      return client.count(text) >= times;
    });
  }
  bool until_ended(RawClient& client) {
    return until([&] {
      client.read();
      return client.ended;
    });
  }
  // A fresh connection that sends `bytes`, then no more; everything that came back.
  std::string exchange(std::string_view bytes) {
    auto client = connect();
    send(client, bytes);
    client.send_no_more();
    until_ended(client);
    return client.received;
  }
  void pass(Duration time) {
    clock.advance(time);
    server->sweep();
  }

  asio::io_context io;
  FakeClock clock;
  std::string error;
  std::unique_ptr<HttpServer> server;
};

}  // namespace canopy::net
