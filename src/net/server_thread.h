#pragma once
// For tests of clients that block: a server on a thread of its own, ended by the destructor.

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "net/http_server.h"

namespace canopy::net {

class ServerThread {
 public:
  explicit ServerThread(HttpHandler handler, HttpServerOptions options = {},
                        std::uint64_t body_bytes_max = 1 << 20) {
    const BodyLimit limit = [body_bytes_max](const HttpRequest&) -> Result<std::uint64_t> {
      return body_bytes_max;
    };
    auto made = make_http_server(io_, std::move(options), system_clock(), limit, std::move(handler));
    CANOPY_CHECK(made.has_value());
    server_ = *std::move(made);
    port_ = server_->port();
    thread_ = std::jthread([this] { io_.run(); });
  }
  ~ServerThread() {  // NOLINT(bugprone-exception-escape): out of memory, which ends a test anyway.
    asio::post(io_, [this] { server_.reset(); });
    thread_.join();
  }
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;

  std::string url(const std::string& scheme = "http", const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port_);
  }

 private:
  asio::io_context io_{1};
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

}  // namespace canopy::net
