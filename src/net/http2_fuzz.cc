// What a client may send over HTTP/2: the frames, the heads, the bodies, in pieces of any size.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/check.h"
#include "net/connection.h"
#include "net/http2_session.h"
#include "net/loopback.h"

namespace {

using namespace canopy;       // NOLINT(google-build-using-namespace)
using namespace canopy::net;  // NOLINT(google-build-using-namespace)

constexpr std::size_t output_bytes_max = 16 << 20;

}  // namespace

// The first byte says in what pieces the others come, behind the preface.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] == 0 ? size : data[0];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  boost::asio::io_context io{1};
  FakeClock clock;
  HttpServerOptions options = Loopback::default_options();
  options.body_room = std::make_shared<BodyRoom>(100'000);
  options.streams_max = 20;
  const auto core = std::make_shared<ServerCore>(
      io, options, clock, [](const HttpRequest&) -> Result<std::uint64_t> { return 50'000; }, echo, nullptr,
      Duration::zero());
  std::string out;
  {
    Http2Session session(core, "127.0.0.1:1", [] {});
    bool good = session.receive(http2_preface);
    while (good && !rest.empty()) {
      good = session.receive(rest.substr(0, piece));
      rest.remove_prefix(std::min(piece, rest.size()));
      session.fill(out);
      if (out.size() > output_bytes_max) break;
      clock.advance(std::chrono::milliseconds(piece * 50));
      core->now = clock.now();
      session.sweep();
      io.poll();
      io.restart();
    }
    session.stop();
    session.fill(out);
  }
  io.poll();
  CANOPY_CHECK(core->options.body_room->bytes == 0);
  return 0;
}
