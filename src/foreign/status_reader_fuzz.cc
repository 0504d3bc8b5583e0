// The status of a worker of HyperFaaS, whatever it sends. The first byte says in pieces of which size the
// rest comes; however it comes, the same events are heard.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "foreign/status_reader.h"
#include "wire/grpc.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)

struct Heard {
  std::string events;
  std::size_t count = 0;
  bool is_good = true;
};

Heard hear(std::string_view bytes, std::size_t piece) {
  Heard heard;
  foreign::StatusReader reader;
  const auto on_event = [&heard](const wire::InstanceEvent& event) {
    heard.events += wire::event_message(event);
    ++heard.count;
  };
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto taken = reader.put(bytes.substr(at, piece), on_event);
    CANOPY_CHECK(heard.is_good || !taken);
    heard.is_good = taken.has_value();
    CANOPY_CHECK(taken || !taken.error().message.empty());
  }
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Heard whole = hear(bytes, bytes.size());
  const Heard parts = hear(bytes, data[0] + std::size_t{1});
  CANOPY_CHECK(whole.is_good == parts.is_good);
  CANOPY_CHECK(whole.events == parts.events);
  CANOPY_CHECK(whole.count * wire::grpc_prefix_bytes <= bytes.size());
  // What was heard is heard again, if we say it.
  const Heard again = hear(whole.events, whole.events.size());
  CANOPY_CHECK(again.is_good && again.count == whole.count);
  return 0;
}
