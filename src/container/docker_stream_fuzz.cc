#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "container/docker_client.h"

// The first byte says in pieces of which size the rest comes; however it comes, the same is heard.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] + std::size_t{1};
  std::string whole;
  std::string parts;
  const auto to = [](std::string& out) {
    return [&out](bool is_error, std::string_view heard) {
      for (const char c : heard) {
        out += is_error ? 'e' : 'o';
        out += c;
      }
    };
  };
  container::DockerStream at_once;
  const bool good = at_once.put(bytes, to(whole));
  container::DockerStream in_pieces;
  bool still_good = true;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    still_good = in_pieces.put(bytes.substr(at, piece), to(parts));
  }
  CANOPY_CHECK(good == still_good);
  CANOPY_CHECK(whole == parts);
  CANOPY_CHECK(whole.size() <= 2 * bytes.size());
  return 0;
}
