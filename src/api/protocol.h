#pragma once
// The API of another platform, served on the same port: its paths, its words, its bytes; our functions, calls
// and users. A folder of its own implements it, above api, which knows none of them.
//
//   gateway ─ claims(head)? ─▶ serve(): read, ask the same core (deploy.h, durable_log.h, usage.h), print
//
// Who asks is known by then, and whether the server's own API would let them in. What such a protocol makes
// of that is its own business: to ask for a key as well, or to be open to everybody where its operator said
// so.
//
// Threads: all methods from any core; on_ended() on the log's thread; start() and stop() on the server's.
// Life:    outlives the server's cores and its log.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/here.h"
#include "model/record.h"
#include "net/http.h"
#include "net/task.h"

namespace canopy::api {

// Its part of /openapi.json.
struct Described {
  std::string_view tag = {};    // "" for nothing.
  std::string_view paths = {};  // Members of "paths", whose operations have that tag.
};

class Protocol {
 public:
  virtual ~Protocol() = default;

  virtual Described describe() const { return {}; }

  // Whether a request with that head is for it. Asked for each one that comes.
  virtual bool claims(const net::HttpRequest& head) const = 0;

  // Where it listens besides: "host:port". All that comes there is for it.
  virtual std::vector<std::string> addresses() const { return {}; }

  // Whether it may serve those without a key where the server's own API would not. A body from somebody it
  // will not serve is not read: it is answered 401 in the server's own words.
  virtual bool is_open() const = 0;

  // The largest body that it reads from such a request; a larger one is answered 413 in the server's own
  // words.
  virtual std::uint64_t body_bytes_max(const net::HttpRequest& head) const = 0;

  // `refusal` says why the server's own API would ask for a key; `here.who` is then nobody.
  virtual net::Task<net::HttpResponse> serve(const Here& here, net::HttpExchange& exchange,
                                             const std::optional<Error>& refusal) = 0;

  // Before anything is asked or told, and after all of that, while the log can still be read.
  virtual void start(const Platform& /*platform*/) {}
  virtual void stop() {}

  // An attempt of a durable call begins here. Quick.
  virtual void on_begun(CallId /*id*/, const FunctionName& /*function*/) {}

  // A durable call has ended, and that is on the disk. Quick.
  virtual void on_ended(CallId id, const FunctionName& function, State state) = 0;
};

}  // namespace canopy::api
