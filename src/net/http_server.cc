#include "net/http_server.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/log.h"
#include "net/connection.h"
#include "net/http_write.h"
#include "net/tls.h"

namespace canopy::net {
namespace {

using Tcp = asio::ip::tcp;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
using KeepAliveIdle = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
using KeepAliveInterval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
using KeepAliveCount = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;

bool is_out_of_resources(const boost::system::error_code& error) {
  const auto value = error.value();
  return value == EMFILE || value == ENFILE || value == ENOBUFS || value == ENOMEM;
}

// Accepts for one server and sweeps its connections. Keeps itself alive while the kernel owes it an event.
class Listener final : public std::enable_shared_from_this<Listener> {
 public:
  Listener(std::shared_ptr<ServerCore> core, Acceptor acceptor)
      : core_(std::move(core)), acceptor_(std::move(acceptor)), timer_(core_->io.get_executor()) {}

  void start() {
    accept();
    wait_to_sweep();
  }

  std::uint16_t port() const { return port_; }

  void stop() {
    core_->stopping = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (auto& connection : core_->connections) connection.stop();
  }

  void abort() {
    stop();
    core_->aborted = true;
    for (auto& connection : core_->connections) connection.abort();
  }

  void end() {
    abort();
    timer_.cancel();
    ended_ = true;
  }

  void sweep() {
    core_->now = core_->clock.now();
    core_->date_line = date_line(core_->clock.wall_now());
    for (auto& connection : core_->connections) connection.sweep();
    if (std::exchange(is_paused_, false)) accept();
  }

 private:
  void accept() {
    if (core_->stopping) return;
    acceptor_.async_accept(
        peer_, [self = shared_from_this()](const boost::system::error_code& error, Socket socket) {
          self->on_accepted(error, std::move(socket));
        });
  }

  void on_accepted(const boost::system::error_code& error, Socket socket) {
    if (core_->stopping || ended_) return;
    if (is_out_of_resources(error)) {
      // The next attempt would fail as well: it waits for the next sweep.
      if (core_->now >= next_complaint_) {
        log::warn("cannot accept a connection: {}; {} are open; raise the limit of open files (ulimit -n)",
                  error.message(), core_->connection_count);
        next_complaint_ = core_->now + std::chrono::seconds(10);
      }
      is_paused_ = true;
      return;
    }
    if (!error) {
      ++core_->counts.connections_accepted;
      if (core_->connection_count >= core_->options.connections_max) {
        ++core_->counts.connections_refused;
      } else {
        start_connection(core_, std::move(socket), peer_);
      }
    }
    accept();
  }

  void wait_to_sweep() {
    if (core_->sweep_period == Duration::zero()) return;
    timer_.expires_after(std::chrono::ceil<std::chrono::steady_clock::duration>(core_->sweep_period));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || self->ended_) return;
      self->sweep();
      self->wait_to_sweep();
    });
  }

  const std::shared_ptr<ServerCore> core_;
  Acceptor acceptor_;
  const std::uint16_t port_ = acceptor_.local_endpoint().port();
  Timer timer_;
  Tcp::endpoint peer_;
  bool is_paused_ = false;
  bool ended_ = false;
  Time next_complaint_;
};

class Server final : public HttpServer {
 public:
  Server(std::shared_ptr<ServerCore> core, std::shared_ptr<Listener> listener)
      : core_(std::move(core)), listener_(std::move(listener)) {}
  // NOLINTNEXTLINE(bugprone-exception-escape): only memory could run out, and nothing could be done then.
  ~Server() override { listener_->end(); }

  std::uint16_t port() const override { return listener_->port(); }
  void stop() override { listener_->stop(); }
  void abort() override { listener_->abort(); }
  void sweep() override { listener_->sweep(); }
  std::size_t connection_count() const override { return core_->connection_count; }
  HttpServerCounts counts() const override { return core_->counts; }

 private:
  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<Listener> listener_;
};

std::string place(const HttpServerOptions& options) {
  const bool is_v6 = options.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + options.host + "]:" : options.host + ":") + std::to_string(options.port);
}

Result<Tcp::endpoint> find_endpoint(asio::io_context& io, const HttpServerOptions& options) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.host, error);
  if (!error) return Tcp::endpoint(address, options.port);
  asio::ip::basic_resolver<Tcp, Executor> resolver(io.get_executor());
  const auto found = resolver.resolve(options.host, std::to_string(options.port), error);
  if (error || found.empty() || options.host.empty()) {
    return fail(Code::unavailable, "cannot listen on " + place(options) +
                                       ": no address is known for the host \"" + log_safe(options.host) +
                                       '"');
  }
  return found.begin()->endpoint();
}

// What every accepted connection inherits, so that none has to be told: responses leave at once, and a client
// that vanished without a word, while its call or stream waits, is noticed within two minutes.
void set_inherited(Acceptor& acceptor) {
  boost::system::error_code ignored;
  acceptor.set_option(Tcp::no_delay(true), ignored);
  acceptor.set_option(asio::socket_base::keep_alive(true), ignored);
  acceptor.set_option(KeepAliveIdle(60), ignored);
  acceptor.set_option(KeepAliveInterval(15), ignored);
  acceptor.set_option(KeepAliveCount(4), ignored);
}

Result<Acceptor> take_listener(asio::io_context& io, int listener) {
  Acceptor acceptor(io.get_executor());
  boost::system::error_code error;
  acceptor.assign(Tcp::v4(), listener, error);
  if (error) {
    ::close(listener);
    return fail(Code::unavailable, "a socket that listens cannot be watched: " + error.message());
  }
  set_inherited(acceptor);
  return acceptor;
}

Result<Acceptor> listen(asio::io_context& io, const HttpServerOptions& options) {
  if (options.listener >= 0) return take_listener(io, options.listener);
  CANOPY_TRY(const auto endpoint, find_endpoint(io, options));
  boost::system::error_code error;
  const auto bind = [&](Acceptor& acceptor, bool shares) {
    if (acceptor.open(endpoint.protocol(), error); error) return;
    if (acceptor.set_option(asio::socket_base::reuse_address(true), error); error) return;
    if (shares && (acceptor.set_option(ReusePort(true), error), error)) return;
    acceptor.bind(endpoint, error);
  };
  if (options.exclusive && endpoint.port() != 0) {
    Acceptor probe(io.get_executor());
    bind(probe, false);
  }
  Acceptor acceptor(io.get_executor());
  if (!error) bind(acceptor, true);
  if (!error) set_inherited(acceptor);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return fail(Code::unavailable,
                "cannot listen on " + place(options) +
                    ": the address is in use; end what listens there, or choose another port");
  }
  if (error == boost::system::errc::address_not_available) {
    return fail(Code::unavailable, "cannot listen on " + place(options) +
                                       ": this machine has no such address; take one of its own, or none (:" +
                                       std::to_string(endpoint.port()) + ") for all of them");
  }
  if (error) return fail(Code::unavailable, "cannot listen on " + place(options) + ": " + error.message());
  return acceptor;
}

// Often enough that no timeout is noticed later than half of it.
Duration period_for(const HttpServerOptions& options) {
  const auto shortest =
      std::min({options.head_timeout, options.body_timeout, options.idle_timeout, options.write_timeout});
  if (options.sweep_period == Duration::zero()) return Duration::zero();
  return std::min(options.sweep_period, std::max<Duration>(shortest / 2, std::chrono::milliseconds(1)));
}

}  // namespace

Result<std::unique_ptr<HttpServer>> make_http_server(asio::io_context& io, HttpServerOptions options,
                                                     const Clock& clock, BodyLimit body_limit,
                                                     HttpHandler handler) {
  std::unique_ptr<asio::ssl::context> tls;
  if (!options.certificate_file.empty() || !options.key_file.empty()) {
    CANOPY_TRY(tls, make_server_tls(options.certificate_file, options.key_file));
  }
  CANOPY_TRY(auto acceptor, listen(io, options));
  const auto period = period_for(options);
  auto core = std::make_shared<ServerCore>(io, std::move(options), clock, std::move(body_limit),
                                           std::move(handler), std::move(tls), period);
  auto listener = std::make_shared<Listener>(core, std::move(acceptor));
  listener->start();
  return std::make_unique<Server>(std::move(core), std::move(listener));
}

}  // namespace canopy::net
