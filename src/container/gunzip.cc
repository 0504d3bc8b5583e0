#include "container/gunzip.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <zlib.h>

#include "base/units.h"

namespace canopy::container {
namespace {

constexpr int with_gzip_header = 15 + 16;

class Gunzip {
 public:
  explicit Gunzip(wire::ReadBytes source) : source_(std::move(source)) {
    is_ready_ = inflateInit2(&stream_, with_gzip_header) == Z_OK;
  }
  ~Gunzip() {
    if (is_ready_) inflateEnd(&stream_);
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  Result<std::size_t> read(char* to, std::size_t size) {
    if (!is_ready_) return fail(Code::unavailable, "there is no memory to unpack a layer with");
    if (size == 0 || at_end_) return 0;
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(size, GiB));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0) CANOPY_TRY_VOID(refill());
      if (stream_.avail_in == 0 && at_member_end_) break;
      if (std::exchange(at_member_end_, false) && inflateReset(&stream_) != Z_OK) return broken();
      const int result = inflate(&stream_, Z_NO_FLUSH);
      at_member_end_ = result == Z_STREAM_END;
      if (!at_member_end_ && result != Z_OK) return broken();  // Also where the source ends too early.
    }
    const std::size_t count = wanted - stream_.avail_out;
    at_end_ = count == 0;
    return count;
  }

 private:
  static tl::unexpected<Error> broken() {
    return fail(Code::refused, "the image cannot be read: a compressed layer of it is broken");
  }

  Result<void> refill() {
    CANOPY_TRY(const std::size_t got, source_(input_.data(), input_.size()));
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return {};
  }

  const wire::ReadBytes source_;
  z_stream stream_{};
  std::array<char, 64 * KiB> input_{};
  bool is_ready_ = false;
  bool at_member_end_ = false;
  bool at_end_ = false;
};

}  // namespace

wire::ReadBytes gunzip(wire::ReadBytes source) {
  return [reader = std::make_shared<Gunzip>(std::move(source))](char* to, std::size_t size) {
    return reader->read(to, size);
  };
}

}  // namespace canopy::container
