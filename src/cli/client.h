#pragma once
// The server that a verb talks to, by its native HTTP API.
//
// Threads: any; all blocks.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "cli/json_fields.h"
#include "cli/verb.h"
#include "model/function.h"
#include "net/http_client.h"

namespace canopy::cli {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  std::vector<net::HttpHeader> headers = {};
  std::string body = {};
  Duration timeout = std::chrono::seconds(30);
};

class Client {
 public:
  // --url (CANOPY_URL) and CANOPY_KEY.
  explicit Client(const Command& command);

  const std::string& url() const { return url_; }

  // Whatever the server answers.
  //   unavailable  nobody answers there
  Result<net::HttpClientResponse> send(ClientRequest request) const;

  // A 2xx, or the error that the server says.
  Result<net::HttpClientResponse> ask(ClientRequest request) const;

  // The same, its body being JSON.
  Result<Json> ask_json(ClientRequest request) const;

  // A list, page by page until its end or until there are `count_max`: its member `list`, and what the last
  // page says of the next one.
  //   internal  the pages go round in a circle
  struct Pages {
    boost::json::array all;
    Json next;
  };
  Result<Pages> ask_pages(const std::string& target, std::string_view list,
                          std::uint64_t count_max = INT64_MAX) const;

  // The body of a 2xx line by line, as it comes, for as long as `on_line` says true; no deadline.
  Result<void> follow(ClientRequest request, const std::function<bool(std::string_view line)>& on_line) const;

 private:
  net::HttpClientRequest make(ClientRequest request) const;
  // What cannot be reached, with what to do.
  Result<net::HttpClientResponse> with_advice(Result<net::HttpClientResponse> response) const;

  std::string url_;
  std::string key_;
};

// Says so where there are more than `pages` has.
void note_more(const Client::Pages& pages, Terminal& terminal);

// As JSON: {"<list>": […], "next": …}.
std::string pages_json(Client::Pages pages, std::string_view list);

// "/v1/functions/space/name"
std::string function_target(const FunctionName& name);

// What the body of a response says went wrong, in one sentence.
Error read_error(const net::HttpClientResponse& response);

// The error that {"code", "message", "stage"} is; internal where its code is none.
Error error_of(const Json& error);

}  // namespace canopy::cli
