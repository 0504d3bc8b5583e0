#pragma once
// The table of a call's open descriptors. A new one gets the lowest free number.
//
// Threads: belongs to its call.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "guest/vfs.h"
#include "guest/wasi.h"

namespace canopy::guest {

// The call's own standard streams, which are no nodes: its input, its output, its log.
enum class Stream : std::uint8_t { none, input, output, log };

struct Descriptor {
  Stream stream = Stream::none;
  // Null for a stream; and for the root of the tree until somebody needs it.
  std::unique_ptr<Node> node;
  Rights base = 0;
  Rights inheriting = 0;
  std::uint16_t flags = 0;
  std::uint64_t offset = 0;
  std::optional<std::string> preopened_as;

  bool is_stream() const { return stream != Stream::none; }
  Filetype type() const {
    if (is_stream()) return Filetype::unknown;
    return node ? node->type() : Filetype::directory;
  }
  bool seekable() const { return node && node->seekable(); }
};

class Descriptors {
 public:
  explicit Descriptors(std::size_t open_max) : open_max_(open_max) {}

  // Null: not open.
  Descriptor* find(std::uint32_t number);
  bool has_room() const { return open_count_ < open_max_; }
  //   mfile  as many are open as may be
  Io<std::uint32_t> add(Descriptor descriptor);
  // For what is open from the start, which no limit stops.
  void preopen(Descriptor descriptor);
  //   badf
  Errno close(std::uint32_t number);
  // Closes `to` and calls `from` so. Both have to be open; the same number twice changes nothing.
  //   badf
  Errno renumber(std::uint32_t from, std::uint32_t to);

  std::size_t open_count() const { return open_count_; }

 private:
  const std::size_t open_max_;
  std::size_t open_count_ = 0;
  std::vector<std::optional<Descriptor>> table_;
};

}  // namespace canopy::guest
