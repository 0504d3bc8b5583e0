#include "wire/json_find.h"

#include <boost/json/value.hpp>

#include "base/units.h"
#include "wire/json_read.h"

namespace canopy::wire {
namespace {

namespace json = boost::json;

constexpr JsonLimits limits{.bytes_max = 16 * MiB, .depth_max = 64, .strict = true};

const json::value* member(const json::value* value, std::string_view key) {
  const json::object* const object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

std::string text_of(const json::value* value) {
  if (value == nullptr || !value->is_string()) return {};
  const json::string& text = value->get_string();
  return {text.data(), text.size()};
}

std::optional<std::int64_t> number_of(const json::value* value) {
  const std::int64_t* const number = value == nullptr ? nullptr : value->if_int64();
  return number == nullptr ? std::nullopt : std::optional(*number);
}

}  // namespace

std::string find_text(std::string_view text, std::string_view key) {
  const auto value = parse_json(text, limits);
  return value ? text_of(member(&*value, key)) : std::string();
}

std::string find_text(std::string_view text, std::string_view outer, std::string_view key) {
  const auto value = parse_json(text, limits);
  return value ? text_of(member(member(&*value, outer), key)) : std::string();
}

std::optional<std::int64_t> find_number(std::string_view text, std::string_view key) {
  const auto value = parse_json(text, limits);
  return value ? number_of(member(&*value, key)) : std::nullopt;
}

std::optional<std::int64_t> find_number(std::string_view text, std::string_view outer, std::string_view key) {
  const auto value = parse_json(text, limits);
  return value ? number_of(member(member(&*value, outer), key)) : std::nullopt;
}

bool find_flag(std::string_view text, std::string_view outer, std::string_view key) {
  const auto value = parse_json(text, limits);
  const json::value* const found = value ? member(member(&*value, outer), key) : nullptr;
  return found != nullptr && found->is_bool() && found->get_bool();
}

std::vector<std::string> find_texts(std::string_view text, std::string_view key) {
  std::vector<std::string> found;
  const auto value = parse_json(text, limits);
  if (!value || !value->is_array()) return found;
  for (const json::value& one : value->get_array()) {
    if (std::string words = text_of(member(&one, key)); !words.empty()) found.push_back(std::move(words));
  }
  return found;
}

}  // namespace canopy::wire
