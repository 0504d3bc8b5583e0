#pragma once
// HTTP/2 (RFC 9113) on one connection of the server: many requests at once, each answered by the same handler
// as over HTTP/1.1. nghttp2 reads and writes the frames; what is here is streams, limits and time.
//
//   bytes ─▶ receive() ─▶ Http2Stream ─▶ handler ─▶ HttpResponse ─▶ fill() ─▶ bytes
//
// A request is answered once all of it has come. A client may have streams_max of them open; one that opens
// and resets streams faster than their handlers end is told so and cut off. Each stream has to make progress
// in the times of HttpServerOptions, and at the rate that is asked for there; one that does not is reset
// alone. The heads of all requests of a connection have 64 times the room of one, and heads and bodies count
// together in the room that all bodies have, but for the first bytes of a few. While more than 16 MiB of
// responses are unsent, no further handler starts, and what waits for that is reset in time. A client that
// has so much to be told that it does not read is cut off.
//
// Threads: the connection's.
// Life:    a stream lives until its handler has ended; the session may be gone by then.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/body_share.h"
#include "net/event.h"
#include "net/http.h"

struct nghttp2_session;

namespace canopy::net {

struct ServerCore;
class Http2Session;

// What a client that speaks HTTP/2 begins with.
inline constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// One request and its response.
class Http2Stream final : public HttpExchange, public std::enable_shared_from_this<Http2Stream> {
 public:
  Http2Stream(Http2Session& session, std::int32_t id);
  ~Http2Stream() override = default;

  HttpRequest& request() override { return request_; }
  asio::io_context& io() override;
  Task<bool> start_stream(HttpResponse head) override;
  Task<bool> write(std::string_view chunk) override;
  void on_client_gone(std::function<void()> gone) override;

 private:
  friend class Http2Session;
  enum class Phase { head, body, handler, answer };

  // False: more than the head may have.
  bool add_field(std::string_view name, std::string_view value);
  // Appends to the body within its limits; else the refusal.
  std::optional<HttpResponse> add_body(std::string_view bytes);
  // The handler's work, and what follows from it.
  Task<void> run();
  static HttpResponse no_room(const Error& error);
  // It has to make progress within `grace`, and at the rate that is asked for since begin_moving().
  void begin_moving(Duration grace);
  void has_moved(std::size_t size, Duration grace);
  // Up to `size` bytes of what is to be sent, copied to `to`.
  std::size_t take(std::uint8_t* to, std::size_t size);
  bool has_output() const { return sent_ < output_.size(); }
  void add_output(std::string_view bytes);
  // The connection is gone, or the client has reset the stream.
  void end();

  const std::shared_ptr<ServerCore> core_;
  Http2Session* session_;  // Null after end().
  const std::int32_t id_;
  Phase phase_ = Phase::head;
  Time due_ = never;  // By when it has to make progress.
  Time moving_since_{};
  std::uint64_t moved_bytes_ = 0;
  bool rate_decides_ = false;  // About due_.

  std::deque<std::string> texts_;  // Behind the views of request_.
  const std::string peer_;
  HttpRequest request_;
  std::size_t head_bytes_ = 0;
  std::size_t piece_bytes_ = 0;
  std::uint64_t body_bytes_max_ = 0;
  const bool is_free_;  // Its first bytes are not counted.
  BodyShare share_;     // Of the head and the body.

  std::string output_;
  std::size_t sent_ = 0;
  std::vector<HttpHeader> trailers_;
  bool is_answered_ = false;   // The head of the response is on its way.
  bool is_streaming_ = false;  // And more of it may come.
  bool is_silent_ = false;     // The answer to HEAD, or a status without a body.
  bool is_deferred_ = false;   // nghttp2 waits for more of it.
  bool is_refused_ = false;    // Answered before all of the request had come.
  bool is_finished_ = false;   // And all of that answer is on its way.
  std::size_t dropped_bytes_ = 0;
  Event taken_;
  std::function<void()> gone_;
};

class Http2Session {
 public:
  // `wake` is called each time there may be something to send.
  Http2Session(std::shared_ptr<ServerCore> core, std::string peer, std::function<void()> wake);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // False: this is not HTTP/2. What fill() gives then are the last words.
  bool receive(std::string_view bytes);
  // Appends what is to be sent, some 256 KiB at most.
  void fill(std::string& out);
  // Nothing will be read or sent any more.
  bool is_over() const;
  // No further request; those that are there are answered.
  void stop();
  // Resets what makes no progress. By when the connection has to be used again: while it has streams, never.
  Time sweep();

 private:
  friend class Http2Stream;
  struct Callbacks;

  Http2Stream* find(std::int32_t id) const;
  void open(std::int32_t id);
  void on_head(Http2Stream& stream, bool is_whole);
  void on_whole(Http2Stream& stream);
  void close(std::int32_t id);
  bool has_too_much_to_say() const;
  // Handlers start outside nghttp2's own callbacks; after some of them it is the other connections' turn.
  void start_handlers();
  void post_start();
  void refuse(Http2Stream& stream, HttpResponse response);
  void drop(Http2Stream& stream, std::size_t size);
  void wake();
  void answer(Http2Stream& stream, HttpResponse response);
  void submit_head(Http2Stream& stream, const HttpResponse& response, bool is_sized);
  void resume(Http2Stream& stream);
  void reset(std::int32_t id, std::uint32_t why);

  const std::shared_ptr<ServerCore> core_;
  const std::string peer_;
  const std::function<void()> wake_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;
  std::deque<std::shared_ptr<Http2Stream>> whole_;  // Their handlers are to start.
  std::shared_ptr<Http2Session*> start_posted_;     // Null where none is.
  std::size_t head_bytes_ = 0;                      // Of all streams that are open.
  std::size_t free_count_ = 0;                      // Of those whose first bytes are not counted.
  std::size_t unsent_bytes_ = 0;                    // Of their responses.
  std::shared_ptr<std::size_t> running_;            // Handlers, those of streams that are gone among them.
  Time idle_since_;
  bool is_stopping_ = false;
  bool is_broken_ = false;
  bool is_busy_ = false;  // nghttp2 reads or writes: what it calls must not have it do more.
};

}  // namespace canopy::net
