#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/tar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  wire::TarReader reader(wire::read_from(bytes));
  std::string again;
  for (;;) {
    const auto next = reader.next();
    CANOPY_CHECK(next || next.error().code == Code::refused);
    if (!next || !*next) break;
    const wire::TarEntry& entry = **next;
    CANOPY_CHECK(reader.position() <= size);
    CANOPY_CHECK(entry.path.find("..") == std::string::npos || entry.path.find("/../") == std::string::npos);
    CANOPY_CHECK(!entry.path.starts_with('/') && !entry.path.starts_with("../"));
    std::string content;
    std::array<char, 700> piece{};
    bool whole = true;
    for (;;) {
      const auto got = reader.read(piece.data(), piece.size());
      whole = got.has_value();
      if (!got || *got == 0) break;
      content.append(piece.data(), *got);
    }
    if (!whole) break;
    CANOPY_CHECK(content.size() == entry.size_bytes);
    if (entry.kind == wire::TarEntry::Kind::device) continue;

    // What is written again is read as the same.
    again.clear();
    wire::append_tar(entry, content, again);
    wire::TarReader second(wire::read_from(again));
    const auto same = second.next();
    CANOPY_CHECK(same && *same && (*same)->path == entry.path && (*same)->kind == entry.kind);
    CANOPY_CHECK((*same)->target == entry.target && (*same)->size_bytes == entry.size_bytes);
  }
  return 0;
}
