#include "net/url.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "base/log.h"

namespace canopy::net {

Result<Url> parse_url(const std::string& text) {
  const auto none = [&text](const std::string& why) {
    return fail(Code::invalid, "cannot use the URL \"" + log_safe(text) + "\": " + why);
  };
  Url url;
  std::string_view rest = text;
  url.is_https = rest.starts_with("https://");
  if (!url.is_https && !rest.starts_with("http://")) return none("it has to begin with http:// or https://");
  rest.remove_prefix(url.is_https ? 8 : 7);
  const auto end = std::min(rest.find('/'), rest.size());
  url.authority = rest.substr(0, end);
  url.path = rest.substr(end);
  while (url.path.ends_with('/')) url.path.pop_back();
  url.text = text.substr(0, text.size() - rest.size() + end);
  std::string_view place = url.authority;
  if (place.starts_with('[')) {
    const auto bracket = place.find(']');
    if (bracket == std::string_view::npos) return none("the bracket of its address is not closed");
    url.host = place.substr(1, bracket - 1);
    place.remove_prefix(bracket + 1);
  } else {
    url.host = place.substr(0, place.find(':'));
    place.remove_prefix(url.host.size());
  }
  url.port = url.is_https ? "443" : "80";
  if (place.starts_with(':')) {
    url.port = place.substr(1);
    unsigned number = 0;
    const auto* last = url.port.data() + url.port.size();
    const auto parsed = std::from_chars(url.port.data(), last, number);
    if (parsed.ec != std::errc() || parsed.ptr != last || number == 0 || number > 65535) {
      return none("its port has to be a number from 1 to 65535");
    }
  } else if (!place.empty()) {
    return none("its host is malformed");
  }
  const bool is_clean =
      std::all_of(url.host.begin(), url.host.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (url.host.empty() || !is_clean || url.host.find_first_of("@?#\\%") != std::string::npos) {
    return none("its host is malformed");
  }
  return url;
}

}  // namespace canopy::net
