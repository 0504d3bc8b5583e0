#pragma once
// Tar archives as image builders write them: ustar with the extensions of POSIX (pax) and GNU for long names
// and large numbers. What is in them was written by strangers; paths come out plain: relative, without "."
// or empty parts, and never with "..".
//
// Threads: each reader one.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace canopy::wire {

struct TarEntry {
  enum class Kind : std::uint8_t { file, folder, symlink, hardlink, device };  // device: a FIFO as well.

  Kind kind = Kind::file;
  std::string path;    // "" is the top folder itself.
  std::string target;  // Of a symlink as it was written; of a hard link a plain path.
  unsigned mode = 0644;
  std::uint64_t user = 0;
  std::uint64_t group = 0;
  std::uint64_t size_bytes = 0;  // Of a file's content.
};

// Bytes of an archive, up to `size` of them; 0 at its end.
using ReadBytes = std::function<Result<std::size_t>(char* to, std::size_t size)>;

// Those of `bytes`, which outlives it.
ReadBytes read_from(std::string_view bytes);

class TarReader {
 public:
  explicit TarReader(ReadBytes source);

  // The next entry, past what was not read of the one before; nothing at the end.
  //   refused  not a tar archive, broken off, a path that leaves the archive, or an entry of a kind that
  //   images
  //            have no use for
  //   and what the source says
  Result<std::optional<TarEntry>> next();

  // Content of the entry, up to `size` bytes of it; 0 at its end.
  //   as next()
  Result<std::size_t> read(char* to, std::size_t size);

  // How far into the archive it has come: after next(), where the content begins.
  std::uint64_t position() const { return position_; }

 private:
  struct Extended {  // What a header before the entry's own says of it.
    std::optional<std::string> path;
    std::optional<std::string> target;
    std::optional<std::uint64_t> size_bytes;
  };

  Result<std::size_t> fill(char* to, std::size_t size);
  Result<void> skip();
  Result<std::string> read_text(std::uint64_t size);
  Result<void> read_pax(std::string_view text, Extended& extended) const;
  Result<TarEntry> make_entry(std::string_view header, Extended extended) const;

  const ReadBytes source_;
  std::uint64_t position_ = 0;
  std::uint64_t left_ = 0;     // Of the entry's content.
  std::uint64_t padding_ = 0;  // Behind it.
};

// `path` as archives name it, made plain.
//   refused  it has "..", or is too long
Result<std::string> plain_path(std::string_view path);

// Appends an entry with its content, or the head of one alone: then `entry.size_bytes` of content and
// padding to 512 bytes are the caller's to append.
void append_tar(const TarEntry& entry, std::string_view content, std::string& out);
void append_tar_head(const TarEntry& entry, std::string& out);
void append_tar_padding(std::uint64_t content_bytes, std::string& out);
void append_tar_end(std::string& out);

}  // namespace canopy::wire
