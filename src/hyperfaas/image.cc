#include "hyperfaas/image.h"

#include <algorithm>
#include <string>

#include "hyperfaas/registration.h"

namespace canopy::hyperfaas {
namespace {

constexpr std::string_view image_prefix = "hyperfaas-";
constexpr std::string_view default_space = "default";

std::string_view without_version(std::string_view tag) {
  tag = tag.substr(0, tag.find('@'));
  const std::size_t slash = tag.rfind('/');
  const std::size_t colon = tag.rfind(':');
  const bool is_version =
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  return is_version ? tag.substr(0, colon) : tag;
}

void add(std::string_view space, std::string_view name, std::vector<FunctionName>& names) {
  const auto made = make_function_name(space, name);
  if (made && std::ranges::find(names, *made) == names.end()) names.push_back(*made);
}

}  // namespace

std::vector<FunctionName> functions_of_image(std::string_view tag) {
  std::vector<FunctionName> names;
  if (tag.size() > image_tag_bytes_max) return names;
  const std::string_view path = without_version(tag);
  const std::size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  std::string_view space = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  space = space.substr(space.rfind('/') + 1);
  if (name.starts_with(image_prefix)) add(common_space, name.substr(image_prefix.size()), names);
  add(space, name, names);
  add(default_space, name, names);
  add(common_space, name, names);
  return names;
}

}  // namespace canopy::hyperfaas
