#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/python_frames.h"

// The first byte says in how large pieces the rest comes; the rest is an answer, and a packet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  if (size == 0) return 0;
  constexpr std::uint64_t output_bytes_max = 4096;
  const std::size_t piece = std::size_t{data[0]} + 1;
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const auto packet = wire::read_python_packet(all)) CANOPY_CHECK(packet->cpu_time >= Duration::zero());
  wire::PythonAnswerReader reader(output_bytes_max);
  for (std::size_t at = 0; at < all.size(); at += piece) {
    const auto whole = reader.add(all.substr(at, piece));
    CANOPY_CHECK(reader.size() <= wire::python_head_bytes_max + output_bytes_max);
    if (!whole) {
      CANOPY_CHECK(whole.error().code == Code::invalid || whole.error().code == Code::too_large);
      return 0;
    }
    if (!*whole) continue;
    const wire::PythonAnswer answer = reader.take();
    CANOPY_CHECK(answer.status >= 200 && answer.status <= 599);
    CANOPY_CHECK(answer.output.size() <= output_bytes_max);
    return 0;
  }
  return 0;
}
