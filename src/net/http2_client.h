#pragma once
// The client's side of one connection that speaks HTTP/2 from its first byte on (h2c), without its socket:
// who has one hands over what comes from it, and sends what is to go.
//
//   ask() ─▶ fill() ─▶ bytes … bytes ─▶ receive() ─▶ on_end(reply)
//
// Threads: one.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http.h"

struct nghttp2_session;

namespace canopy::net {

struct Http2Request {
  std::string method = "POST";
  std::string authority = {};
  std::string path = "/";
  std::vector<HttpHeader> headers = {};  // Names in small letters; what is not of HTTP/2 is left out.
  std::string body = {};
};

struct Http2Reply {
  int status = 0;
  std::vector<HttpHeader> headers;
  std::vector<HttpHeader> trailers;
  std::string body;
  // Why there is no more of it.
  //   died         the connection broke, or the server reset the stream
  //   unavailable  the same, and the server has certainly not begun
  //   too_large    the reply is larger than allowed
  std::optional<Error> error;
};

class Http2Client {
 public:
  using OnEnd = std::function<void(Http2Reply reply)>;

  Http2Client();
  ~Http2Client();
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  // The number of its stream. `on_end` is called once, from within receive(), fill() or close(), or not at
  // all where it is cancelled; it may ask again.
  std::int32_t ask(Http2Request request, std::uint64_t reply_bytes_max, OnEnd on_end);
  void cancel(std::int32_t id);

  // What has come of its reply until now; null once it has ended.
  const Http2Reply* look(std::int32_t id) const;

  // What of its reply's body has come since the last time, which counts no more then; for a reply without
  // end.
  std::string take_body(std::int32_t id);

  // False: no more can come of this connection; what was open has ended.
  bool receive(std::string_view bytes);
  // Appends what is to be sent.
  void fill(std::string& out);
  // The socket is gone. `nothing_was_sent`: of what fill() gave.
  void close(std::string_view why, bool nothing_was_sent = false);

  // Whether another request may be asked here.
  bool is_open() const { return is_open_; }
  std::size_t stream_count() const { return streams_.size(); }

 private:
  struct Callbacks;
  struct Stream {
    std::string body;  // Of the request.
    std::size_t sent = 0;
    std::uint64_t reply_bytes_max = 0;
    std::size_t head_bytes = 0;
    bool is_begun = false;  // Its head was handed over to be sent.
    bool has_head = false;
    Http2Reply reply;
    OnEnd on_end;
  };

  Stream* find(std::int32_t id) const;
  void end(std::int32_t id, std::optional<Error> error);

  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::unique_ptr<Stream>> streams_;
  bool is_open_ = true;
};

}  // namespace canopy::net
