#include "net/client_watch.h"

#include <cerrno>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <poll.h>
#include <sys/socket.h>

namespace canopy::net {
namespace {

enum class Peek { nothing, bytes, left };

Peek peek(int socket) {
  char byte = 0;
  const auto size = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size > 0) return Peek::bytes;
  if (size == 0) return Peek::left;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Peek::nothing : Peek::left;
}

bool has_hung_up(int socket, bool end_counts) {
  pollfd entry{socket, static_cast<short>(end_counts ? POLLRDHUP : 0), 0};
  return ::poll(&entry, 1, 0) > 0;  // POLLERR and POLLHUP need not be asked for.
}

}  // namespace

void ClientWatch::start(const std::shared_ptr<ClientWatch>& self, std::function<void()> gone) {
  gone_ = std::move(gone);
  if (!socket_.is_open()) return socket_closed(self);
  if (!waiting_ && !by_sweep_) wait(self);
}

void ClientWatch::stop() {
  gone_ = nullptr;
  by_sweep_ = false;
  if (waiting_) cancel_.emit(asio::cancellation_type::terminal);
}

void ClientWatch::sweep() {
  if (by_sweep_ && socket_.is_open() && has_hung_up(socket_.native_handle(), is_tls_)) client_left();
}

void ClientWatch::socket_closed(const std::shared_ptr<ClientWatch>& self) {
  by_sweep_ = false;
  if (!waiting_ && gone_) asio::post(socket_.get_executor(), [self] { self->client_left(); });
}

void ClientWatch::wait(const std::shared_ptr<ClientWatch>& self) {
  waiting_ = true;
  const auto woken = [self](const boost::system::error_code&) {
    self->waiting_ = false;
    self->on_readable(self);
  };
  socket_.async_wait(asio::socket_base::wait_read, asio::bind_cancellation_slot(cancel_.slot(), woken));
}

void ClientWatch::on_readable(const std::shared_ptr<ClientWatch>& self) {
  if (!gone_) return;
  if (!socket_.is_open()) return client_left();
  switch (peek(socket_.native_handle())) {
    case Peek::left:
      return client_left();
    case Peek::bytes:
      by_sweep_ = true;
      return sweep();
    case Peek::nothing:
      return wait(self);
  }
}

void ClientWatch::client_left() {
  by_sweep_ = false;
  if (const auto gone = std::exchange(gone_, nullptr)) gone();
}

}  // namespace canopy::net
