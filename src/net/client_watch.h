#pragma once
// Notices that a client leaves while its call runs. Only while somebody asked: watching costs a system call.
//
// A client has left when it closed its side with nothing unread before that, or when the connection broke.
// Unread bytes are the next request, so then only a broken connection counts; under TLS they may as well be
// the farewell, so there the end of what the client sends counts too. The server's sweep looks for that.
//
// Threads: the io_context's thread.
// Life:    the socket outlives the watch.

#include <functional>
#include <memory>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "net/task.h"

namespace canopy::net {

using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;

class ClientWatch {
 public:
  ClientWatch(Socket& socket, bool is_tls) : socket_(socket), is_tls_(is_tls) {}

  // Calls `gone` once when the client leaves. `self` is this watch: it keeps itself alive while it waits.
  void start(const std::shared_ptr<ClientWatch>& self, std::function<void()> gone);
  void stop();
  bool is_on() const { return static_cast<bool>(gone_); }

  // From time to time, for what no event tells.
  void sweep();
  // The server itself closed the socket: for whoever waits, the client is gone. Not from within start().
  void socket_closed(const std::shared_ptr<ClientWatch>& self);

 private:
  void wait(const std::shared_ptr<ClientWatch>& self);
  void on_readable(const std::shared_ptr<ClientWatch>& self);
  void client_left();

  Socket& socket_;
  const bool is_tls_;
  std::function<void()> gone_;
  asio::cancellation_signal cancel_;
  bool waiting_ = false;
  bool by_sweep_ = false;
};

}  // namespace canopy::net
