#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/join_frames.h"

namespace canopy::wire {
namespace {

// What was read can be written, and is read again as the same.
template <class Noun>
void check(const Result<Noun>& read, void (*write)(const Noun&, std::string&),
           Result<Noun> (*read_again)(std::string_view)) {
  if (!read) {
    CANOPY_CHECK(read.error().code == Code::invalid);
    return;
  }
  std::string once;
  write(*read, once);
  const auto again = read_again(once);
  CANOPY_CHECK(again.has_value());
  std::string twice;
  write(*again, twice);
  CANOPY_CHECK(once == twice);
}

}  // namespace
}  // namespace canopy::wire

// The first byte says which body the rest is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy::wire;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      check(read_challenge(body), write_challenge, read_challenge);
      break;
    case 1:
      check(read_join(body), write_join, read_join);
      break;
    case 2:
      check(read_line(body), write_line, read_line);
      break;
    case 3:
      check(read_welcome(body), write_welcome, read_welcome);
      break;
    default:
      check(read_want(body), write_want, read_want);
      break;
  }
  return 0;
}
