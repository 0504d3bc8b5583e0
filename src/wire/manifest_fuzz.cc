#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manifest = wire::parse_manifest(text, "m");
  if (manifest) {
    // What was accepted is in range, and survives the way through JSON.
    Function function;
    wire::apply(*manifest, function);
    CANOPY_CHECK(function.limits.memory_bytes >= 64 * KiB && function.limits.memory_bytes <= 4 * GiB);
    CANOPY_CHECK(function.limits.timeout.count() > 0 && function.limits.concurrency > 0);
    const auto again = wire::parse_manifest(wire::to_json(*manifest), "m");
    CANOPY_CHECK(again.has_value());
    CANOPY_CHECK(wire::to_json(*again) == wire::to_json(*manifest));
  } else {
    CANOPY_CHECK(manifest.error().code == Code::invalid || manifest.error().code == Code::too_large);
    CANOPY_CHECK(manifest.error().message.starts_with("m:"));
  }
  const auto project = wire::parse_project(text, "p");
  if (project) CANOPY_CHECK(!project->empty());
  return 0;
}
