// What a server of HTTP/2 may answer to two requests: whatever the bytes, each of them ends once, and within
// the bound of its reply.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http2_client.h"

// The first byte says how many bytes come at a time.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = std::max<std::size_t>(data[0], 1);
  constexpr std::uint64_t reply_bytes_max = 100;
  int ended[2] = {0, 0};
  {
    net::Http2Client client;
    for (int& one : ended) {
      net::Http2Request request{.method = "POST",
                                .authority = "function",
                                .path = "/function.FunctionService/Call",
                                .headers = {{"te", "trailers"}, {"content-type", "application/grpc"}},
                                .body = std::string(7, 'x')};
      client.ask(std::move(request), reply_bytes_max, [&one](const net::Http2Reply& reply) {
        ++one;
        CANOPY_CHECK(reply.body.size() <= reply_bytes_max);
        CANOPY_CHECK(!reply.error || !reply.error->message.empty());
      });
    }
    std::string out;
    client.fill(out);
    while (!bytes.empty()) {
      const bool goes_on = client.receive(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
      client.fill(out);
      if (!goes_on) break;
    }
    client.close("the connection was closed");
    CANOPY_CHECK(client.stream_count() == 0 && !client.is_open());
  }
  CANOPY_CHECK(ended[0] == 1 && ended[1] == 1);
  return 0;
}
