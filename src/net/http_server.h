#pragma once
// HTTP/1.1 on one core: keep-alive, pipelining, chunked bodies, Expect: 100-continue, TLS when a certificate
// is given. One server per core, each with a listening socket of its own (SO_REUSEPORT), so a connection
// lives and dies on one thread.
//
// The server answers by itself, and then closes: 400 malformed, 408 a head or body that takes too long,
// 413 a body past the limit, 503 a body for which there is no room beside the others, 414 a request line and
// 431 a head past the limit, 417 an unknown expectation, 501 an unknown transfer coding, 505 another HTTP.
// All as {"error": …} like the API's own.
//
// Threads: everything runs on the io_context's thread.
// Life:    the io_context outlives the server; the server outlives the last connection: stop(), then run
//          the io_context until connection_count() is 0.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "net/http.h"

namespace canopy::net {

// What the bodies of requests may take together, on all servers that share it: from their bytes' arrival to
// the end of the answer. The first free_body_bytes of each are not counted, so that a small request passes
// however many large ones there are.
//
// Threads: any.
struct BodyRoom {
  explicit BodyRoom(std::uint64_t max) : bytes_max(max) {}
  const std::uint64_t bytes_max;
  std::atomic<std::uint64_t> bytes = 0;
};
inline constexpr std::size_t free_body_bytes = 16 * KiB;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the kernel chooses; see port().
  // A socket that listens already, and is the server's from then on, in place of host and port; -1: none.
  int listener = -1;
  // Refuse a port that is listened on already. SO_REUSEPORT would share it, which is right for the second
  // server of this process and wrong for the first one.
  bool exclusive = false;
  std::size_t head_bytes_max = 16 * KiB;
  std::uint32_t streams_max = 1000;      // At once, of one connection that speaks HTTP/2.
  std::size_t connections_max = 20'000;  // One more is accepted and closed at once.
  // Called, on the thread of the io_context, when half of the connections have ended that there were at most
  // since it was last called; only where those were a crowd. What they had can then be given back.
  std::function<void()> on_crowd_left;
  std::size_t crowd = 1000;
  Duration head_timeout = std::chrono::seconds(10);   // From the first byte of a request to its last header.
  Duration body_timeout = std::chrono::seconds(30);   // For the next KiB of a body, or the rest of it.
  Duration idle_timeout = std::chrono::seconds(75);   // Between two requests.
  Duration write_timeout = std::chrono::seconds(30);  // For a client that does not read.
  // Bytes a second in which a body has to come and a response to be taken, on average, once the timeout of
  // that is over: else a client keeps a connection, and what it holds, for ever. 0: any.
  std::uint64_t client_rate = KiB;
  std::shared_ptr<BodyRoom> body_room;  // Null: as much as there is.
  // How late a timeout may be noticed; less where a timeout is short. 0: only sweep() notices.
  Duration sweep_period = std::chrono::milliseconds(250);
  std::string certificate_file;  // PEM, with key_file: speak TLS.
  std::string key_file;
};

struct HttpServerCounts {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t requests = 0;
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;

  virtual std::uint16_t port() const = 0;

  // Accepts no more, ends idle connections, lets the others finish their request and then closes them.
  virtual void stop() = 0;
  // Closes what is left.
  virtual void abort() = 0;
  // Ends what is past its time. The server does it by itself every sweep_period; tests do it by hand.
  virtual void sweep() = 0;

  virtual std::size_t connection_count() const = 0;
  virtual HttpServerCounts counts() const = 0;
};

// Listens from the moment this returns.
//   unavailable  the address is taken or not ours; the message says which
//   invalid      a certificate or key that cannot be read
Result<std::unique_ptr<HttpServer>> make_http_server(asio::io_context& io, HttpServerOptions options,
                                                     const Clock& clock, BodyLimit body_limit,
                                                     HttpHandler handler);

}  // namespace canopy::net
