#pragma once
// An HTTP request, its response, and who answers: what the server (http_server.h) and the APIs share.
//
// Threads: a request and its exchange belong to the core that accepted the connection.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/task.h"

namespace canopy::net {

struct HttpHeader {
  std::string name;
  std::string value;
};

// A whole request. The views point into the connection's buffers and live as long as the exchange.
struct HttpRequest {
  std::string_view method;  // "GET", as it was sent.
  std::string_view target;  // "/a%20b?x=1", as it was sent.
  std::string_view path;    // The target up to '?', still percent-encoded.
  std::string_view query;   // After the '?'.
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // In order, names as sent.
  std::string body;
  std::string_view peer;  // "127.0.0.1:5512"

  // The first header of that name, case-blind; "" for none.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  // "" leaves the header out.
  // Names and values are checked; one that could split the response is dropped.
  std::vector<HttpHeader> headers;
  // Whole lines, each with its CRLF, that are sent unchecked: for a hot path that makes them itself, from
  // nothing that a stranger wrote.
  std::string own_lines;
  std::string body;
  // What follows the body over HTTP/2, as gRPC has it. HTTP/1.1 leaves them out.
  std::vector<HttpHeader> trailers;
};

// One request being answered.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual HttpRequest& request() = 0;
  virtual asio::io_context& io() = 0;

  // For what streams (server-sent events): sends the head at once, then chunk by chunk. Each is false when
  // the client is gone. The body of `head` is ignored. After the stream the handler's response is ignored.
  virtual Task<bool> start_stream(HttpResponse head) = 0;
  virtual Task<bool> write(std::string_view chunk) = 0;

  // Calls `gone` once if the client leaves before it is answered; nullptr takes it back. Set it only when
  // the handler really waits: watching costs a system call.
  virtual void on_client_gone(std::function<void()> gone) = 0;
};

// What body a request may have, decided from its head before the body is read: in bytes, or an error that
// is answered at once (the connection is then closed). Asked only where a head announces a body.
using BodyLimit = std::function<Result<std::uint64_t>(const HttpRequest& head)>;

using HttpHandler = std::function<Task<HttpResponse>(HttpExchange&)>;

}  // namespace canopy::net
