#pragma once
// For tests: what a LiveServer answered, looked at.

#include <string_view>
#include <utility>

#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "base/units.h"
#include "net/http_client.h"
#include "wire/json_read.h"

namespace canopy::api {

inline bool has(const net::HttpClientResponse& response, std::string_view text) {
  return response.body.find(text) != std::string::npos;
}

// An empty object, and a failure, where it is no JSON.
inline boost::json::value json_of(const net::HttpClientResponse& response) {
  auto json = wire::parse_json(response.body, {.bytes_max = 64 * MiB});
  EXPECT_TRUE(json.has_value()) << response.body;
  return json ? *std::move(json) : boost::json::value(boost::json::object());
}

}  // namespace canopy::api
