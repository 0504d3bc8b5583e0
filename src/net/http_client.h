#pragma once
// A small HTTP client for the command line, callbacks, fetch and tests: it blocks, makes one connection per
// request, and never waits past its deadline.
//
// Threads: any; a request has an io_context of its own.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/http.h"
#include "net/name_lookup.h"

namespace canopy::net {

struct HttpClientRequest {
  std::string url;  // "http://127.0.0.1:8080"; a path in it is put before the target.
  std::string method = "GET";
  std::string target = "/";
  std::vector<HttpHeader> headers;  // Host, Content-Length and Connection are set by the client.
  std::string body;
  Duration timeout = std::chrono::seconds(30);   // For all of it; for a stream until its head is there.
  std::uint64_t response_bytes_max = 256 << 20;  // Of the body that is kept.
  std::string ca_file;                           // PEM, for https; "" trusts what the system trusts.
  bool is_verified = true;                       // False takes any certificate: for tests only.
  bool public_only = false;                      // Connects to addresses of the public network only.
  AskAddresses ask_addresses = ask_system;       // Another one for tests.
};

struct HttpClientResponse {
  int status = 0;
  std::vector<HttpHeader> headers;
  std::string body;

  // The first header of that name, case-blind; "" for none.
  std::string_view header(std::string_view name) const;
};

// Sends `request` and waits for the whole response, whatever its status.
//   invalid      the URL, method, target or a header is none
//   forbidden    `public_only`, and the name or address is of another network
//   unavailable  nobody answers there, or the connection broke; the message says what to look at
//   deadline     it took longer than the timeout
//   too_large    the response is past response_bytes_max
//   internal     what came back is not HTTP
Result<HttpClientResponse> send(const HttpClientRequest& request);

// The same, but hands the body of a 2xx to `on_data` as it comes, for as long as that returns true. The
// body of any other status is in the response. After the head there is no deadline.
Result<HttpClientResponse> stream(const HttpClientRequest& request,
                                  const std::function<bool(std::string_view data)>& on_data);

// The same by lines, without their ends; an unfinished last line counts. A line longer than a MiB comes in
// several.
Result<HttpClientResponse> stream_lines(const HttpClientRequest& request,
                                        const std::function<bool(std::string_view line)>& on_line);

}  // namespace canopy::net
