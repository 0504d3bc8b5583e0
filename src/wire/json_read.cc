#include "wire/json_read.h"

#include <exception>
#include <string>

#include <boost/json/parser.hpp>

namespace canopy::wire {

Result<boost::json::value> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes_max) {
    return fail(Code::too_large, "the JSON has " + std::to_string(text.size()) + " bytes; at most " +
                                     size_text(limits.bytes_max) + " are read");
  }
  boost::json::parse_options options;
  options.allow_comments = !limits.strict;
  options.allow_trailing_commas = !limits.strict;
  options.max_depth = limits.depth_max;
  try {
    boost::json::parser parser({}, options);
    boost::json::error_code problem;
    const std::size_t read = parser.write_some(text.data(), text.size(), problem);
    if (!problem && read < text.size()) problem = boost::json::error::extra_data;
    if (problem) {
      return fail(Code::invalid, "not JSON at byte " + std::to_string(read) + ": " + problem.message());
    }
    return parser.release();
  } catch (const std::exception& problem) {
    return fail(Code::invalid, std::string("not JSON: ") + problem.what());
  }
}

Result<JsonKind> json_kind(std::string_view text, JsonLimits limits) {
  limits.strict = true;
  CANOPY_TRY(const boost::json::value value, parse_json(text, limits));
  switch (value.kind()) {
    case boost::json::kind::null:
      return JsonKind::null;
    case boost::json::kind::bool_:
      return JsonKind::boolean;
    case boost::json::kind::string:
      return JsonKind::string;
    case boost::json::kind::array:
      return JsonKind::array;
    case boost::json::kind::object:
      return JsonKind::object;
    default:
      return JsonKind::number;
  }
}

}  // namespace canopy::wire
