#include "cli/json_fields.h"

#include <array>
#include <cmath>
#include <cstdio>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/units.h"

namespace canopy::cli {
namespace {

// Three digits are enough for anybody: "1.23", "45.6", "789".
std::string three_digits(double number) {
  std::array<char, 32> text{};
  const int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  std::snprintf(text.data(), text.size(), "%.*f", decimals, number);
  std::string shown(text.data());
  if (decimals > 0) {
    shown.erase(shown.find_last_not_of('0') + 1);
    if (shown.back() == '.') shown.pop_back();
  }
  return shown;
}

}  // namespace

const Json* field(const Json& from, std::string_view key) {
  const auto* const object = from.if_object();
  if (object == nullptr) return nullptr;
  const Json* const found = object->if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string text_field(const Json& from, std::string_view key) {
  const Json* const found = field(from, key);
  const auto* const text = found == nullptr ? nullptr : found->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

double number_field(const Json& from, std::string_view key) {
  const Json* const found = field(from, key);
  if (found == nullptr || !found->is_number()) return 0;
  if (const auto* const number = found->if_double()) return *number;
  if (const auto* const number = found->if_int64()) return static_cast<double>(*number);
  return static_cast<double>(*found->if_uint64());
}

std::uint64_t count_field(const Json& from, std::string_view key) {
  const double number = number_field(from, key);
  return number > 0 && number < 1e18 ? static_cast<std::uint64_t>(number) : 0;
}

bool flag_field(const Json& from, std::string_view key) {
  const Json* const found = field(from, key);
  const bool* const flag = found == nullptr ? nullptr : found->if_bool();
  return flag != nullptr && *flag;
}

const boost::json::array& list_field(const Json& from, std::string_view key) {
  static const boost::json::array none;
  const Json* const found = field(from, key);
  const auto* const list = found == nullptr ? nullptr : found->if_array();
  return list == nullptr ? none : *list;
}

const boost::json::object& object_field(const Json& from, std::string_view key) {
  static const boost::json::object none;
  const Json* const found = field(from, key);
  const auto* const object = found == nullptr ? nullptr : found->if_object();
  return object == nullptr ? none : *object;
}

std::string short_size(std::uint64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (bytes < KiB) return std::to_string(bytes) + " B";
  if (bytes < MiB) return three_digits(number / KiB) + " KiB";
  if (bytes < GiB) return three_digits(number / MiB) + " MiB";
  return three_digits(number / GiB) + " GiB";
}

std::string short_seconds(double seconds) {
  if (seconds <= 0) return "0 s";
  if (seconds < 1e-3) return three_digits(seconds * 1e6) + " us";
  if (seconds < 1) return three_digits(seconds * 1e3) + " ms";
  if (seconds < 120) return three_digits(seconds) + " s";
  if (seconds < 7200) return three_digits(std::floor(seconds / 60)) + " min";
  if (seconds < 172'800) return three_digits(std::floor(seconds / 3600)) + " h";
  return three_digits(std::floor(seconds / 86'400)) + " d";
}

}  // namespace canopy::cli
