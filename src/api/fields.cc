#include "api/fields.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <boost/json/array.hpp>

#include "base/log.h"
#include "base/units.h"
#include "wire/json_read.h"

namespace canopy::api {
namespace {

constexpr double largest_exact = 9007199254740991.0;  // From 2^53 on JSON's numbers lose their ones.

tl::unexpected<Error> wrong(std::string_view name, std::string_view wanted) {
  return fail(Code::invalid, "'" + std::string(name) + "' is not " + std::string(wanted));
}

std::string text_of(const boost::json::string& text) { return {text.data(), text.size()}; }

}  // namespace

Result<Fields> Fields::read(std::string_view body, std::initializer_list<std::string_view> known) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return Fields();
  CANOPY_TRY(auto json, wire::parse_json(body, {.bytes_max = 64 * KiB}));
  if (auto* const object = json.if_object()) return of(std::move(*object), known);
  return fail(Code::invalid, "the body is not a JSON object");
}

Result<Fields> Fields::read_some(std::string_view body, std::initializer_list<std::string_view> known) {
  if (!body.empty()) return read(body, known);
  return fail(Code::invalid, "there is no body; it says what is to change, as a JSON object");
}

Result<Fields> Fields::of(boost::json::object object, std::initializer_list<std::string_view> known) {
  Fields fields;
  fields.object_ = std::move(object);
  for (const auto& member : fields.object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::ranges::find(known, key) != known.end()) continue;
    std::string list;
    for (const std::string_view name : known) list += (list.empty() ? "" : ", ") + std::string(name);
    return fail(Code::invalid, "there is no '" + log_safe(key, 80) + "' here; there is: " + list);
  }
  return fields;
}

const boost::json::value* Fields::find(std::string_view name) const {
  return object_.if_contains({name.data(), name.size()});
}

bool Fields::is_null(std::string_view name) const {
  const auto* const value = find(name);
  return value != nullptr && value->is_null();
}

Result<std::optional<std::string>> Fields::text(std::string_view name) const {
  const auto* const value = find(name);
  if (value == nullptr) return std::optional<std::string>();
  if (const auto* const text = value->if_string()) return text_of(*text);
  return wrong(name, "a text");
}

Result<std::optional<bool>> Fields::flag(std::string_view name) const {
  const auto* const value = find(name);
  if (value == nullptr) return std::optional<bool>();
  if (const auto* const flag = value->if_bool()) return *flag;
  return wrong(name, "true or false");
}

Result<std::optional<std::uint64_t>> Fields::count(std::string_view name) const {
  const auto* const value = find(name);
  if (value == nullptr || value->is_null()) return std::optional<std::uint64_t>();
  const double number = value->is_number() ? value->to_number<double>() : -1;
  if (number >= 0 && number <= largest_exact && number == std::floor(number)) {
    return static_cast<std::uint64_t>(number);
  }
  return wrong(name, "a whole number below 2^53");
}

Result<std::optional<std::vector<std::string>>> Fields::texts(std::string_view name) const {
  const auto* const value = find(name);
  if (value == nullptr) return std::optional<std::vector<std::string>>();
  const auto* const array = value->if_array();
  if (array == nullptr) return wrong(name, "a list of texts");
  std::vector<std::string> texts;
  for (const auto& one : *array) {
    const auto* const text = one.if_string();
    if (text == nullptr) return wrong(name, "a list of texts");
    texts.push_back(text_of(*text));
  }
  return texts;
}

Result<std::optional<boost::json::object>> Fields::object(std::string_view name) const {
  const auto* const value = find(name);
  if (value == nullptr) return std::optional<boost::json::object>();
  if (const auto* const object = value->if_object()) return *object;
  return wrong(name, "an object");
}

}  // namespace canopy::api
