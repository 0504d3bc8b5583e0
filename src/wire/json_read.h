#pragma once
// Reads small JSON bodies that strangers send. Comments and trailing commas are let pass; depth and size are
// bounded, and text must be UTF-8.

#include <cstddef>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/units.h"

namespace canopy::wire {

struct JsonLimits {
  std::size_t bytes_max = MiB;
  std::size_t depth_max = 32;
  bool strict = false;  // No comments, no trailing commas.
};

//   invalid    not JSON; the message names the byte: "not JSON at byte 17: …"
//   too_large  more bytes than `limits` allow
Result<boost::json::value> parse_json(std::string_view text, JsonLimits limits = {});

// What kind of value strict JSON is.
//   as parse_json()
enum class JsonKind { null, boolean, number, string, array, object };
Result<JsonKind> json_kind(std::string_view text, JsonLimits limits = {});

}  // namespace canopy::wire
