#pragma once
// One client's connection: reads requests, has them answered one by one, writes the responses. All complete
// requests in the buffer are answered before the responses go out in one write.
//
//   bytes ─▶ InputBuffer ─▶ RequestReader ─▶ handler ─▶ append_head() ─▶ bytes
//
// Responses of different connections that are ready in one round of the loop are sent together (Outbox): the
// first send wakes the client's core, which costs more than the send, and the others find it awake.
//
// There is no timer per operation: a connection notes by when its present phase has to make progress, and
// the server's sweep looks over all of them. ServerCore is what the connections of a server share.
//
// Threads: everything on the io_context's thread.
// Life:    a connection keeps itself alive while it runs; ServerCore lives until the last one is gone.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/intrusive/list.hpp>

#include "base/check.h"
#include "base/clock.h"
#include "net/body_share.h"
#include "net/client_watch.h"
#include "net/event.h"
#include "net/http.h"
#include "net/http2_session.h"
#include "net/http_server.h"
#include "net/http_write.h"
#include "net/input_buffer.h"
#include "net/request_reader.h"

namespace canopy::net {

class Connection;
class Outbox;
template <class Transport>
class ConnectionOver;  // The loop of a connection, over plain TCP or TLS: connection_serve.cc.
using ConnectionHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using OutboxHook =
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct ServerCore : std::enable_shared_from_this<ServerCore> {
  ServerCore(asio::io_context& server_io, HttpServerOptions server_options, const Clock& server_clock,
             BodyLimit limit, HttpHandler answerer, std::unique_ptr<asio::ssl::context> tls_context,
             Duration period);
  ~ServerCore();

  asio::io_context& io;
  const HttpServerOptions options;
  const Clock& clock;
  const BodyLimit body_limit;
  const HttpHandler handler;
  const std::unique_ptr<asio::ssl::context> tls;  // Null: plain.
  const Duration sweep_period;

  Time now;               // As of the last sweep: nobody asks the clock for each request.
  std::string date_line;  // Likewise.
  bool stopping = false;
  bool aborted = false;
  HttpServerCounts counts;
  std::size_t connection_count = 0;
  std::size_t connection_count_peak = 0;  // Since a crowd was last said to have left.
  boost::intrusive::list<Connection, boost::intrusive::base_hook<ConnectionHook>,
                         boost::intrusive::constant_time_size<false>>
      connections;
  std::unique_ptr<Outbox> outbox;

  void on_connection_begun();
  void on_connection_ended();
};

class Connection : public HttpExchange,
                   public ConnectionHook,
                   public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, Socket socket, const std::string& peer);
  ~Connection() override;

  // From the first byte to the last; never fails.
  virtual Task<void> serve() = 0;

  HttpRequest& request() final { return request_; }
  asio::io_context& io() final { return core_->io; }
  Task<bool> start_stream(HttpResponse head) final;
  Task<bool> write(std::string_view chunk) final;
  void on_client_gone(std::function<void()> gone) final;

  // Ends it if its time is over; looks again for clients that left with a request still unread.
  void sweep();
  // No further request: closes it now if none is being served.
  void stop();
  // Closes it now.
  void abort();
  // Sends what is answered already, if nobody else is at it: at the end of a round of the loop.
  void send_gathered();

 private:
  template <class Transport>
  friend class ConnectionOver;

  enum class Phase { handshake, idle, head, body, answer, write, linger };
  enum class Step { need_bytes, body_ahead, complete, refused };
  enum class Stream { none, chunked, raw, silent };  // silent: the answer to HEAD.

  // Sends what is in out_, then `body`, then `tail`; all of it, in time, or false.
  virtual Task<bool> flush_parts(std::string_view body, std::string_view tail) = 0;
  Task<bool> flush(std::string_view body = {}, std::string_view tail = {}) { return flush_parts(body, tail); }
  // Sends as much of out_ as the kernel takes at once; true when that was all. Never with TLS.
  virtual bool send_now() = 0;
  // Sends what the session has, beside what is read.
  virtual void write_http2() = 0;
  // Whether the first bytes are those of HTTP/2. Nothing: there are too few to tell.
  std::optional<bool> speaks_http2();
  RequestReader& reader() {
    CANOPY_CHECK(reader_.has_value());
    return *reader_;
  }
  std::shared_ptr<ClientWatch> shared_watch() { return {shared_from_this(), &watch_}; }

  void begin_phase(Phase phase);
  // A body, or a response that is not sent at once, begins to move: its rate counts from here.
  void begin_moving();
  void demand_rate(Duration grace);
  // Reads on in the bytes that are there.
  Step next_step();
  // Decides about the body that the head announces. False: refused.
  bool admit_body();
  bool must_say_continue();
  // There is more of the body than was counted. False: no room for it; refused.
  bool count_body();
  void forget_body();
  // Before a read: where to, and by when.
  asio::mutable_buffer room_to_read();
  void note_read(std::size_t size);
  // Why a read ended. True: the client is told, there is a refusal now. False: it is just over.
  bool note_read_error();

  void begin_answer();
  // False: the body was left out, as too large to copy, and has to be flushed behind it.
  bool append_response(HttpResponse& response);
  void append_refusal();
  void end_answer();
  // Lets the client read the last response: closing at once with input unread would destroy it on the way.
  Task<void> linger();
  void close();

  const std::shared_ptr<ServerCore> core_;
  Socket socket_;
  const std::string peer_;

  Phase phase_ = Phase::idle;
  Time deadline_ = never;
  bool expired_ = false;    // The sweep ended the present operation.
  bool failed_ = false;     // Nothing can be sent any more.
  bool keep_alive_ = true;  // Whether there may be a next request.
  bool admitted_ = false;   // The present request's body may come.
  bool head_only_ = false;  // The present request is a HEAD.
  Stream stream_ = Stream::none;

  InputBuffer input_;
  std::unique_ptr<char[]> head_memory_;  // The present head, while its body is read into input_.
  HttpRequest request_;
  std::optional<RequestReader> reader_;
  std::size_t piece_bytes_ = 0;  // Of the body, since its deadline was last put off.
  BodyShare share_;
  Time moving_since_{};
  std::uint64_t moved_bytes_ = 0;
  bool rate_decides_ = false;  // About deadline_.
  std::string out_;

  ClientWatch watch_;

  bool is_fresh_ = true;                 // Nothing has shown yet which HTTP it speaks.
  std::unique_ptr<Http2Session> http2_;  // Where that is HTTP/2.
  bool is_writing_ = false;              // Beside reading, which only HTTP/2 does.
  Event written_;

 public:
  OutboxHook outbox_hook;
};

// The connections of a server with something to send at the end of this round of the loop.
class Outbox {
 public:
  explicit Outbox(ServerCore& core) : core_(core) {}

  void put(Connection& connection);

 private:
  void send_all();

  ServerCore& core_;
  bool send_posted_ = false;
  std::size_t count_ = 0;
  Time first_put_{};
  boost::intrusive::list<Connection,
                         boost::intrusive::member_hook<Connection, OutboxHook, &Connection::outbox_hook>,
                         boost::intrusive::constant_time_size<false>>
      connections_;
};

// Serves `socket` until its end; counts it, and logs what it must not do: fail.
void start_connection(const std::shared_ptr<ServerCore>& core, Socket socket,
                      const asio::ip::tcp::endpoint& peer);

}  // namespace canopy::net
