#pragma once
// Fields of the JSON that a server answers, read without surprises: what is absent, or of another kind, is
// empty, so that an older or newer server is still understood.

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace canopy::cli {

using Json = boost::json::value;

const Json* field(const Json& from, std::string_view key);  // Null where it is absent or null.
std::string text_field(const Json& from, std::string_view key);
double number_field(const Json& from, std::string_view key);
std::uint64_t count_field(const Json& from, std::string_view key);
bool flag_field(const Json& from, std::string_view key);
const boost::json::array& list_field(const Json& from, std::string_view key);
const boost::json::object& object_field(const Json& from, std::string_view key);

// For people, rounded: "34.1 KiB", "1.2 ms", "3 min ago".
std::string short_size(std::uint64_t bytes);
std::string short_seconds(double seconds);

}  // namespace canopy::cli
