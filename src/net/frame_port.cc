#include "net/frame_port.h"

#include <cerrno>
#include <utility>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <netinet/tcp.h>

#include "base/log.h"
#include "base/units.h"
#include "net/name_lookup.h"

namespace canopy::net {
namespace {

using Tcp = asio::ip::tcp;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr Duration look_up_time = std::chrono::seconds(10);
constexpr Duration pause = std::chrono::milliseconds(250);  // Where there are no descriptors left.

std::string address_text(const std::string& host, std::uint16_t port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::string address_text(const Tcp::endpoint& endpoint) {
  return address_text(endpoint.address().to_string(), endpoint.port());
}

// Frames leave at once; that the other side is gone is noticed by who pings.
template <class AnySocket>
void set_up(AnySocket& socket) {
  boost::system::error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
}

// Keeps itself alive while the kernel owes it an event.
class Listening final : public std::enable_shared_from_this<Listening> {
 public:
  Listening(asio::io_context& io, Acceptor acceptor, std::size_t body_bytes_max,
            std::shared_ptr<const TlsContext> tls, OnLink on_link)
      : io_(io),
        acceptor_(std::move(acceptor)),
        timer_(io.get_executor()),
        body_bytes_max_(body_bytes_max),
        tls_(std::move(tls)),
        on_link_(std::move(on_link)) {}

  std::uint16_t port() const { return port_; }

  void accept() {
    acceptor_.async_accept(
        peer_, [self = shared_from_this()](const boost::system::error_code& error, Socket socket) {
          self->on_accepted(error, std::move(socket));
        });
  }

  void end() {
    on_link_ = nullptr;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    timer_.cancel();
  }

 private:
  void on_accepted(const boost::system::error_code& error, Socket socket) {
    if (!on_link_) return;
    if (error && error.value() != ECONNABORTED) return wait(error);
    if (!error) {
      set_up(socket);
      boost::system::error_code failed;
      const int descriptor = socket.release(failed);
      if (!failed) {
        auto session = tls_ ? tls_->make_session() : nullptr;
        on_link_(make_frame_channel(io_, descriptor, body_bytes_max_, std::move(session)),
                 address_text(peer_));
      }
    }
    if (on_link_) accept();
  }

  void wait(const boost::system::error_code& error) {
    log::warn("cannot accept a worker's connection: {}; raise the limit of open files (ulimit -n)",
              error.message());
    timer_.expires_after(std::chrono::ceil<std::chrono::steady_clock::duration>(pause));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code&) {
      if (self->on_link_) self->accept();
    });
  }

  asio::io_context& io_;
  Acceptor acceptor_;
  const std::uint16_t port_ = acceptor_.local_endpoint().port();
  Timer timer_;
  Tcp::endpoint peer_;
  const std::size_t body_bytes_max_;
  const std::shared_ptr<const TlsContext> tls_;
  OnLink on_link_;
};

class Port final : public FramePort {
 public:
  explicit Port(std::shared_ptr<Listening> listening) : listening_(std::move(listening)) {}
  // NOLINTNEXTLINE(bugprone-exception-escape): only memory could run out, and nothing could be done then.
  ~Port() override { listening_->end(); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  std::uint16_t port() const override { return listening_->port(); }

 private:
  const std::shared_ptr<Listening> listening_;
};

Result<Acceptor> listen(asio::io_context& io, const Tcp::endpoint& endpoint) {
  boost::system::error_code error;
  Acceptor acceptor(io.get_executor());
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return fail(Code::unavailable, "cannot listen for workers on " + address_text(endpoint) +
                                       ": the address is in use; end what listens there, or choose another "
                                       "port");
  }
  if (error == boost::system::errc::address_not_available) {
    return fail(Code::unavailable, "cannot listen for workers on " + address_text(endpoint) +
                                       ": this machine has no such address; take one of its own, or none (:" +
                                       std::to_string(endpoint.port()) + ") for all of them");
  }
  if (error) {
    return fail(Code::unavailable,
                "cannot listen for workers on " + address_text(endpoint) + ": " + error.message());
  }
  return acceptor;
}

// A connection that is being made. The timer may still be about to fire when it is.
struct Dialing {
  explicit Dialing(asio::io_context& io) : socket(io.get_executor()), timer(io.get_executor()) {}
  Socket socket;
  Timer timer;
  bool late = false;
  bool over = false;
};

// The socket is closed when the time is over, which ends what is under way on it.
Task<Result<std::unique_ptr<FrameLink>>> connect(asio::io_context& io, Tcp::endpoint to, Duration timeout,
                                                 std::shared_ptr<const TlsContext> tls) {
  const auto dialing = std::make_shared<Dialing>(io);
  dialing->timer.expires_after(std::chrono::ceil<std::chrono::steady_clock::duration>(timeout));
  dialing->timer.async_wait([dialing](const boost::system::error_code& canceled) {
    if (canceled || dialing->over) return;
    dialing->late = true;
    boost::system::error_code ignored;
    dialing->socket.close(ignored);
  });
  const auto [error] = co_await dialing->socket.async_connect(to, use_task);
  dialing->over = true;
  dialing->timer.cancel();
  if (dialing->late) {
    co_return fail(Code::deadline, address_text(to) + " does not answer within " + duration_text(timeout));
  }
  if (error)
    co_return fail(Code::unavailable, "cannot connect to " + address_text(to) + ": " + error.message());
  set_up(dialing->socket);
  boost::system::error_code failed;
  const int descriptor = dialing->socket.release(failed);
  if (failed) co_return fail(Code::unavailable, "cannot use a connection: " + failed.message());
  auto session = tls ? tls->make_session() : nullptr;
  co_return make_frame_channel(io, descriptor, wire::frame_body_bytes_max, std::move(session));
}

}  // namespace

Result<std::unique_ptr<FramePort>> open_frame_port(asio::io_context& io, const std::string& host,
                                                   std::uint16_t port, std::size_t body_bytes_max,
                                                   std::shared_ptr<const TlsContext> tls, OnLink on_link) {
  CANOPY_TRY(const auto addresses, look_up(host, system_clock().now() + look_up_time));
  if (addresses.empty()) {
    return fail(Code::unavailable, "cannot listen for workers on " + address_text(host, port) +
                                       ": no address is known for the host \"" + log_safe(host) + '"');
  }
  CANOPY_TRY(auto acceptor, listen(io, Tcp::endpoint(addresses.front(), port)));
  auto listening = std::make_shared<Listening>(io, std::move(acceptor), body_bytes_max, std::move(tls),
                                               std::move(on_link));
  listening->accept();
  return std::make_unique<Port>(std::move(listening));
}

Task<Result<std::unique_ptr<FrameLink>>> dial_frames(asio::io_context& io, BlockingPool& pool,
                                                     std::string host, std::uint16_t port, Duration timeout,
                                                     std::shared_ptr<const TlsContext> tls) {
  using Addresses = std::vector<asio::ip::address>;
  const std::function<Result<Addresses>()> ask = [host, timeout] {
    return look_up(host, system_clock().now() + timeout);
  };
  const auto addresses = co_await run_blocking(pool, ask);
  if (!addresses) co_return tl::unexpected(addresses.error());
  Result<std::unique_ptr<FrameLink>> last =
      fail(Code::unavailable, "no address is known for the host \"" + log_safe(host) + '"');
  for (const auto& address : *addresses) {
    const Tcp::endpoint to(address, port);
    last = co_await connect(io, to, timeout, tls);
    if (last) break;
  }
  co_return last;
}

}  // namespace canopy::net
