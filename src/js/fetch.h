#pragma once
// fetch(): requests that a function makes, to the hosts that its manifest names and no others.
//
// The function's fiber waits; the request is made on a thread of the Fetcher's pool. Each hop of a redirect
// is checked as the first was. An address that is not of the public network is refused unless the operator
// allows it, after the name was resolved, and it is that very address which is connected to.
//
// Threads: start() from any; `done` is called on one of the pool's.
// Life:    the destructor waits for requests under way, each of which ends by its deadline.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "net/blocking_pool.h"
#include "net/http_client.h"

namespace canopy::js {

// Beside the function's own memory: bodies to be sent, and answers that were not read.
inline constexpr std::uint64_t fetch_bytes_max = 32 * MiB;

struct FetchOptions {
  bool allow_private = false;  // Addresses of this machine and of private networks too.
  std::size_t thread_count = 16;
  std::size_t queue_max = 1000;
  std::uint64_t response_bytes_max = 16 * MiB;
  Duration timeout_max = std::chrono::seconds(30);
  // Of bodies to be sent and answers that their calls have not read, for one call and for all.
  std::uint64_t held_bytes_max_per_call = fetch_bytes_max;
  std::uint64_t held_bytes_max = 512 * MiB;
};

inline constexpr int redirects_max = 10;
inline constexpr std::size_t fetches_per_call_max = 100;

struct FetchRequest {
  std::string method;
  std::string url;
  std::string redirect;  // "follow", "manual" or "error".
  std::vector<net::HttpHeader> headers;
  std::string body;
};

struct FetchResponse {
  int status = 0;
  std::string url;
  bool redirected = false;
  std::vector<net::HttpHeader> headers;
  std::string body;
};

// A URL in parts, as far as a request needs them.
struct FetchUrl {
  std::string origin;  // "https://example.com:8443"
  std::string host;    // In lower case.
  std::string port;    // Never empty.
  std::string target;  // "/path?query"
  bool default_port = false;
};

//   invalid  not http or https, credentials in it, or what no URL has
Result<FetchUrl> parse_fetch_url(std::string_view url);
// `location` as a redirect from `from` means it.
std::string resolve_location(const FetchUrl& from, std::string_view location);

// Whether `url` is one of `hosts`: names with commas between them, as wire/manifest.h has them. A name
// without a port means the scheme's own.
bool is_allowed(const FetchUrl& url, std::string_view hosts);

// Sends one request, without following anything; net::send() but in tests.
using Send = std::function<Result<net::HttpClientResponse>(const net::HttpClientRequest& request)>;

// All hops of a request, on the caller's thread.
//   forbidden  a host that `hosts` has not; or an address that is not public
//   invalid    no URL, or more redirects than redirects_max
//   and what Send says
Result<FetchResponse> fetch(FetchRequest request, const std::string& hosts, const FetchOptions& options,
                            Time deadline, const Clock& clock, const Send& send);

class Fetcher {
 public:
  explicit Fetcher(FetchOptions options, Send send = net::send)
      : options_(options), send_(std::move(send)), pool_(options.thread_count, options.queue_max) {}

  // False: too many wait.
  bool start(FetchRequest request, std::string hosts, Time deadline, const Clock& clock,
             std::function<void(Result<FetchResponse>)> done);

  const FetchOptions& options() const { return options_; }
  // Counts what is kept for calls; false where that would be too much.
  bool hold(std::uint64_t bytes);
  void hold_anyway(std::uint64_t bytes) { held_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void let_go(std::uint64_t bytes) { held_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const FetchOptions options_;
  const Send send_;
  std::atomic<std::uint64_t> held_bytes_ = 0;
  net::BlockingPool pool_;
};

}  // namespace canopy::js
