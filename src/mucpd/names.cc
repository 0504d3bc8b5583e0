#include "mucpd/names.h"

#include "base/hex.h"
#include "base/sha256.h"

namespace canopy::mucpd {
namespace {

constexpr std::string_view space_prefix = "mucpd-";
constexpr std::string_view first_prefix = "x.x";
constexpr std::string_view digest_prefix = "x.h";
constexpr std::string_view marker_name = "x.user";
constexpr std::size_t digest_size = 50;  // 200 bits: two names with one digest are not to be found.

bool is_letter_or_digit(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9');
}

std::string escape(std::string_view name, std::size_t size_max) {
  std::string part;
  if (name.empty() || !is_letter_or_digit(name.front())) part = first_prefix;
  for (const char c : name) {
    if (is_letter_or_digit(c) || c == '-' || c == '_') {
      part += c;
    } else {
      part += '.';
      append_hex(static_cast<unsigned char>(c), part);
    }
    if (part.size() > size_max) {
      return std::string(digest_prefix) + sha256_hex(name).substr(0, digest_size);
    }
  }
  return part;
}

}  // namespace

std::string space_of(std::string_view user) {
  return std::string(space_prefix) + escape(user, name_part_size_max - space_prefix.size());
}

FunctionName function_of(std::string_view user, std::string_view function) {
  return {.space = space_of(user), .name = escape(function, name_part_size_max)};
}

FunctionName marker_of(std::string_view user) {
  return {.space = space_of(user), .name = std::string(marker_name)};
}

bool is_space(std::string_view space) { return space.starts_with(space_prefix); }

std::string unescape(std::string_view part) {
  if (part.starts_with(digest_prefix)) return {};
  if (part.starts_with(first_prefix)) part.remove_prefix(first_prefix.size());
  std::string name;
  while (!part.empty()) {
    if (part.front() != '.' || part.size() < 3) {
      name += part.front();
      part.remove_prefix(1);
      continue;
    }
    name += static_cast<char>(hex_value(part[1]).value_or(0) << 4U | hex_value(part[2]).value_or(0));
    part.remove_prefix(3);
  }
  return name;
}

}  // namespace canopy::mucpd
