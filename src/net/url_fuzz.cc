// What strangers write where an address is asked for: the URL of a callback, the address to listen on, the
// values of headers that are lists.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/header_text.h"
#include "net/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto url = net::parse_url(text);
  if (url) {
    CANOPY_CHECK(text.starts_with(url->text));
    CANOPY_CHECK(url->authority.starts_with(url->host) || url->authority.starts_with("[" + url->host + "]"));
    CANOPY_CHECK(net::is_field_value(url->authority));  // It becomes a header.
    const int port = std::stoi(url->port);
    CANOPY_CHECK(port > 0 && port <= 65535 && url->port.size() <= 5);
    // What it says of itself leads to the same place.
    const auto again = net::parse_url(url->text + url->path);
    CANOPY_CHECK(again && again->host == url->host && again->port == url->port && again->path == url->path);
  } else {
    CANOPY_CHECK(url.error().code == Code::invalid);
  }
  CANOPY_CHECK(!net::list_has(text, "close, close"));
  CANOPY_CHECK(net::list_has(text + ",close", "Close"));
  CANOPY_CHECK(net::same_text(text, text));
  CANOPY_CHECK(!net::is_token(text) || net::is_field_value(text));
  return 0;
}
