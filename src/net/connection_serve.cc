// The loop of a connection, over plain TCP and over TLS.

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "base/log.h"
#include "base/units.h"
#include "net/connection.h"

namespace canopy::net {
namespace {

constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr int answers_in_a_row_max = 32;  // Of pipelined requests; then it is the other connections' turn.
constexpr std::size_t gathered_output_bytes_max = 64 * KiB;
constexpr std::size_t kept_output_bytes_max = 16 * KiB;
constexpr std::size_t http2_read_bytes = 16 * KiB;

using TlsStream = asio::ssl::stream<Socket&>;

std::array<asio::const_buffer, 3> rest_of(std::string_view a, std::string_view b, std::string_view c,
                                          std::size_t sent) {
  std::array<asio::const_buffer, 3> buffers = {asio::buffer(a), asio::buffer(b), asio::buffer(c)};
  for (auto& buffer : buffers) {
    const auto skipped = std::min(sent, buffer.size());
    buffer += skipped;
    sent -= skipped;
  }
  return buffers;
}

}  // namespace

template <class Transport>
class ConnectionOver final : public Connection {
 public:
  static constexpr bool is_tls = !std::is_same_v<Transport, Socket&>;

  ConnectionOver(std::shared_ptr<ServerCore> core, Socket socket, const std::string& peer)
    requires(!is_tls)
      : Connection(std::move(core), std::move(socket), peer), transport_(socket_) {}
  ConnectionOver(std::shared_ptr<ServerCore> core, Socket socket, const std::string& peer)
    requires(is_tls)
      : Connection(std::move(core), std::move(socket), peer), transport_(socket_, *core_->tls) {}

  Task<void> serve() override {
    if constexpr (is_tls) {
      begin_phase(Phase::handshake);
      const auto [error] = co_await transport_.async_handshake(asio::ssl::stream_base::server, use_task);
      if (error) co_return close();
    }
    int answers_in_a_row = 0;
    while (!failed_) {
      const auto is_http2 = is_fresh_ ? speaks_http2() : false;
      if (is_http2 == true) co_return co_await serve_http2();
      auto step = is_http2 ? next_step() : Step::need_bytes;
      if (step == Step::need_bytes) {
        const bool alone = core_->connection_count == 1;  // Nobody to send together with.
        const bool goes_out = out_.empty() || (alone && send_now()) || let_go_of_output();
        if (!goes_out && !co_await flush()) break;
        if (!reader_ && core_->stopping) break;
        const auto room = room_to_read();
        const auto [error, size] = co_await transport_.async_read_some(room, use_task);
        note_read(size);
        answers_in_a_row = 0;
        if (!error) continue;
        if (must_flush(error)) {
          if (!co_await flush()) break;
          continue;
        }
        if (!note_read_error()) break;
        step = Step::refused;
      }
      if (step == Step::body_ahead) {
        if (admit_body()) {
          if (must_say_continue()) out_ += continue_line;
          continue;
        }
        step = Step::refused;
      }
      if (step == Step::refused) {
        append_refusal();
        break;
      }
      begin_answer();
      if (!out_.empty() && !let_go_of_output() && !co_await flush()) break;
      auto response = co_await core_->handler(*this);
      const bool is_streamed = stream_ != Stream::none;
      if (!is_streamed && !append_response(response)) co_await flush(response.body);
      end_answer();
      if (!keep_alive_) break;
      if (++answers_in_a_row % answers_in_a_row_max == 0) co_await asio::post(core_->io, use_task);
    }
    co_await end();
  }

 private:
  // Requests come and responses go at the same time: what there is to send goes out at the end of each round.
  Task<void> serve_http2() {
    http2_ = std::make_unique<Http2Session>(core_, peer_, [this] { core_->outbox->put(*this); });
    if (core_->stopping) http2_->stop();
    bool good = http2_->receive(input_.unread());
    input_ = InputBuffer();
    const auto room = input_.room(http2_read_bytes, http2_read_bytes);
    while (good && !failed_) {
      write_http2();
      if (http2_->is_over() && !is_writing_) break;
      if (!is_writing_) deadline_ = http2_->sweep();
      const auto [error, size] =
          co_await transport_.async_read_some(asio::buffer(room.data(), room.size()), use_task);
      if (error == asio::error::operation_aborted && !expired_ && !failed_) continue;  // To look again.
      if (error) break;
      good = http2_->receive({room.data(), size});
    }
    if (is_writing_) co_await written_.wait();
    if (!failed_) {
      http2_->fill(out_);  // Last words, where the client was wrong.
      if (!out_.empty()) co_await flush();
    }
    http2_.reset();
    close();
  }

  void write_http2() override {
    if (is_writing_ || failed_) return;
    // Until there is nothing more, or the kernel takes no more: nobody else would go on with the rest.
    do {
      http2_->fill(out_);
      if (out_.empty()) return look_again();
    } while (!is_tls && send_now());
    is_writing_ = true;
    asio::co_spawn(core_->io.get_executor(), write_on(shared_from_this()), asio::detached);
  }

  Task<void> write_on(std::shared_ptr<Connection> /*alive*/) {
    while (!failed_) {
      http2_->fill(out_);
      if (out_.empty()) break;
      co_await flush();
    }
    is_writing_ = false;
    written_.set();
    look_again();
  }

  // The loop may wait for bytes that will not come.
  void look_again() {
    if (!failed_ && !http2_->is_over()) return;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }

  // Before a handler or a read: what is answered already is sent meanwhile. False: flush it first.
  bool let_go_of_output() {
    if (is_tls || out_.size() > gathered_output_bytes_max) return false;
    core_->outbox->put(*this);
    return true;
  }

  // Whether a read ended only because the client does not take what was sent meanwhile.
  bool must_flush(const boost::system::error_code& error) const {
    return error == asio::error::operation_aborted && !out_.empty() && !failed_ && !expired_;
  }

  Task<void> end() {
    if (!out_.empty() && !failed_ && !send_now()) co_await flush();
    if (!failed_) {
      if constexpr (is_tls) {
        begin_phase(Phase::linger);
        co_await transport_.async_shutdown(use_task);
      }
      const bool has_unread = reader_ || !input_.empty();
      if (has_unread) co_await linger();
    }
    close();
  }

  Task<bool> flush_parts(std::string_view body, std::string_view tail) override {
    std::size_t sent = 0;
    const auto total = out_.size() + body.size() + tail.size();
    begin_moving();
    while (sent < total && !failed_) {
      begin_phase(Phase::write);
      const auto rest = rest_of(out_, body, tail, sent);
      const auto [error, size] = co_await transport_.async_write_some(rest, use_task);
      sent += size;
      moved_bytes_ = sent;
      if (error) failed_ = true;
    }
    out_.clear();
    if (out_.capacity() > kept_output_bytes_max) out_.shrink_to_fit();
    co_return !failed_;
  }

  bool send_now() override {
    if constexpr (is_tls) {
      return false;
    } else {
      boost::system::error_code error;
      const auto size = socket_.write_some(asio::buffer(out_), error);
      if (error) {
        failed_ = failed_ || (error != asio::error::would_block && error != asio::error::try_again);
        return false;
      }
      if (size < out_.size()) {
        out_.erase(0, size);
        return false;
      }
      out_.clear();
      return true;
    }
  }

  Transport transport_;
};

namespace {

Task<void> run(std::shared_ptr<Connection> connection) { co_await connection->serve(); }

std::string peer_text(const asio::ip::tcp::endpoint& peer) {
  auto address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  const auto text = address.to_string();
  return (address.is_v6() ? "[" + text + "]:" : text + ":") + std::to_string(peer.port());
}

void log_failure(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& exception) {
    log::error("a connection ended by an exception, which nothing here should raise: {}", exception.what());
  }
}

}  // namespace

void ServerCore::on_connection_begun() {
  connection_count_peak = std::max(connection_count_peak, ++connection_count);
}

void ServerCore::on_connection_ended() {
  --connection_count;
  if (connection_count_peak < options.crowd || connection_count > connection_count_peak / 2) return;
  connection_count_peak = connection_count;
  if (options.on_crowd_left) options.on_crowd_left();
}

void start_connection(const std::shared_ptr<ServerCore>& core, Socket socket,
                      const asio::ip::tcp::endpoint& peer) {
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  std::shared_ptr<Connection> connection;
  if (core->tls) {
    connection = std::make_shared<ConnectionOver<TlsStream>>(core, std::move(socket), peer_text(peer));
  } else {
    connection = std::make_shared<ConnectionOver<Socket&>>(core, std::move(socket), peer_text(peer));
  }
  core->connections.push_back(*connection);
  core->on_connection_begun();
  const auto ended = [core, connection](const std::exception_ptr& failure) {
    core->on_connection_ended();
    connection->unlink();
    if (failure) {
      log_failure(failure);
      connection->abort();
    }
  };
  asio::co_spawn(core->io.get_executor(), run(connection), ended);
}

}  // namespace canopy::net
