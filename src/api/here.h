#pragma once
// Where a handler runs and for whom: the platform, the core with what belongs to it, and whoever asks.
//
// Threads: the core's.

#include <memory>
#include <string>
#include <string_view>

#include "api/auth.h"
#include "api/call_reply.h"
#include "api/caller.h"
#include "api/platform.h"
#include "net/http.h"

namespace canopy::api {

struct Here {
  Platform& platform;
  exec::Core& core;
  Caller& caller;
  Doorman& doorman;
  std::shared_ptr<const Principal> who;  // Whoever asks.
};

inline bool is_head(const net::HttpRequest& request) { return request.method == "HEAD"; }

inline net::HttpResponse json_response(std::string json, int status = 200) {
  net::HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(json) + "\n";
  return response;
}

// Lets pages from elsewhere read the response, where that is allowed.
inline void allow_origin(const Options& options, net::HttpResponse& response) {
  if (options.cors_origin.empty()) return;
  response.headers.push_back({"Access-Control-Allow-Origin", options.cors_origin});
  if (options.cors_origin != "*") response.headers.push_back({"Vary", "Origin"});
}

// An error whose status is not the one of its code: 405, 410, 501.
inline net::HttpResponse error_with_status(int status, const Error& error) {
  net::HttpResponse response = error_response(error);
  std::erase_if(response.headers, [](const net::HttpHeader& header) { return header.name == "Retry-After"; });
  response.status = status;
  return response;
}

}  // namespace canopy::api
