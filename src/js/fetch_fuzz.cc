// A guest that asks for what it should not get, and servers that send it elsewhere: what it asks for, up to
// the first byte 0xff, and then a line for each redirect. Nothing is ever sent to a host that is not named,
// and the host that was looked at is the one that is connected to.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/clock.h"
#include "js/fetch.h"
#include "js/fetch_calls.h"
#include "net/header_text.h"
#include "net/url.h"

namespace {

using namespace canopy;

constexpr std::string_view hosts = "a.org,*.b.org,c.org:8443,[::1]:80";

void check_sent(const net::HttpClientRequest& sent) {
  const auto url = js::parse_fetch_url(sent.url + sent.target);
  CANOPY_CHECK(url.has_value());
  CANOPY_CHECK(js::is_allowed(*url, hosts));
  CANOPY_CHECK(sent.public_only);
  if (const auto real = net::parse_url(sent.url)) {
    CANOPY_CHECK(real->host == url->host || "[" + real->host + "]" == url->host);
    CANOPY_CHECK(real->port == url->port && real->path.empty());
  }
  for (const net::HttpHeader& header : sent.headers) {
    for (const std::string_view ours : {"host", "content-length", "transfer-encoding", "connection"}) {
      CANOPY_CHECK(!net::same_text(header.name, ours));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(bytes.find('\xff'), size);
  auto request = js::read_fetch_request(bytes.substr(0, end));
  if (!request) return 0;
  std::string_view lines = bytes.substr(std::min(end + 1, size));
  int sent_count = 0;
  const js::Send send = [&](const net::HttpClientRequest& sent) -> Result<net::HttpClientResponse> {
    check_sent(sent);
    ++sent_count;
    const std::size_t line_end = std::min(lines.find('\n'), lines.size());
    const std::string location(lines.substr(0, line_end));
    lines.remove_prefix(std::min(line_end + 1, lines.size()));
    if (location.empty()) return net::HttpClientResponse{.status = 200, .headers = {}, .body = "there"};
    const int status = 301 + static_cast<int>(location.size() % 3);
    return net::HttpClientResponse{.status = status, .headers = {{"Location", location}}, .body = {}};
  };
  const FakeClock clock;
  const auto response = js::fetch(*std::move(request), std::string(hosts), {},
                                  clock.now() + std::chrono::seconds(5), clock, send);
  CANOPY_CHECK(sent_count <= js::redirects_max + 1);
  CANOPY_CHECK(!js::write_fetch_answer(response).empty());
  return 0;
}
