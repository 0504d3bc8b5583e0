#include "wire/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "base/log.h"

namespace canopy::wire {
namespace {

constexpr std::size_t block_bytes = 512;
constexpr std::size_t long_text_bytes_max = MiB;  // Of one extended header.
constexpr std::size_t path_bytes_max = 4000;
constexpr std::size_t part_bytes_max = 255;
constexpr int extensions_max = 8;  // Before one entry.
constexpr std::uint64_t size_bytes_max = std::uint64_t{1} << 50;

struct Place {
  std::size_t at;
  std::size_t size;
};
constexpr Place name_place{0, 100};
constexpr Place mode_place{100, 8};
constexpr Place user_place{108, 8};
constexpr Place group_place{116, 8};
constexpr Place size_place{124, 12};
constexpr Place time_place{136, 12};
constexpr Place sum_place{148, 8};
constexpr std::size_t kind_at = 156;
constexpr Place link_place{157, 100};
constexpr Place magic_place{257, 5};
constexpr Place prefix_place{345, 155};

tl::unexpected<Error> bad(std::string what) {
  return fail(Code::refused, "the archive is no tar archive that can be read: " + std::move(what));
}

std::string_view cut(std::string_view header, Place place) { return header.substr(place.at, place.size); }

std::string_view text_of(std::string_view header, Place place) {
  const std::string_view field = cut(header, place);
  return field.substr(0, field.find('\0'));
}

// Octal digits between blanks; or, where they do not suffice, big-endian bytes behind a byte 0x80.
std::optional<std::uint64_t> number_of(std::string_view field) {
  if (static_cast<unsigned char>(field.front()) == 0x80) {
    std::uint64_t value = 0;
    for (const char c : field.substr(1)) {
      if (value >> 56U != 0) return std::nullopt;
      value = value << 8U | static_cast<unsigned char>(c);
    }
    return value;
  }
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (!field.empty() && (field.back() == ' ' || field.back() == '\0')) field.remove_suffix(1);
  std::uint64_t value = 0;
  if (field.empty()) return value;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value, 8);
  if (error != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

// The sum of all bytes, with blanks where it stands itself.
std::uint64_t sum_of(std::string_view header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool own = i >= sum_place.at && i < sum_place.at + sum_place.size;
    sum += own ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(header[i]);
  }
  return sum;
}

std::uint64_t padding_of(std::uint64_t size) { return (block_bytes - size % block_bytes) % block_bytes; }

Result<TarEntry::Kind> kind_of(char letter, std::string_view path) {
  using Kind = TarEntry::Kind;
  switch (letter) {
    case '0':
    case '\0':
    case '7':
      return path.ends_with('/') ? Kind::folder : Kind::file;
    case '1':
      return Kind::hardlink;
    case '2':
      return Kind::symlink;
    case '3':
    case '4':
    case '6':
      return Kind::device;
    case '5':
      return Kind::folder;
    default:
      return bad("'" + log_safe(path, 200) + "' is an entry of an unknown kind");
  }
}

std::string octal(std::uint64_t value, std::size_t width) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 8).ptr;
  std::string text(digits.data(), end);
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  return text;
}

std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t size = rest + 1;
  while (std::to_string(size).size() + rest != size) ++size;
  return std::to_string(size) + ' ' + std::string(key) + '=' + std::string(value) + '\n';
}

char letter_of(TarEntry::Kind kind) {
  switch (kind) {
    case TarEntry::Kind::folder:
      return '5';
    case TarEntry::Kind::symlink:
      return '2';
    case TarEntry::Kind::hardlink:
      return '1';
    default:
      return '0';
  }
}

void append_block(const TarEntry& entry, char letter, std::string& out) {
  std::array<char, block_bytes> header{};
  const auto put = [&header](Place place, std::string_view text) {
    std::memcpy(header.data() + place.at, text.data(), std::min(text.size(), place.size));
  };
  put(name_place, entry.path);
  put(mode_place, octal(entry.mode & 07777U, 7));
  put(user_place, octal(std::min<std::uint64_t>(entry.user, 07777777), 7));
  put(group_place, octal(std::min<std::uint64_t>(entry.group, 07777777), 7));
  put(size_place, octal(entry.size_bytes, 11));
  put(time_place, octal(0, 11));
  header.at(kind_at) = letter;
  put(link_place, entry.target);
  std::memcpy(header.data() + magic_place.at,
              "ustar\0"
              "00",
              8);
  const std::string sum = octal(sum_of({header.data(), header.size()}), 6);
  put(sum_place, sum);
  header.at(sum_place.at + 7) = ' ';
  out.append(header.data(), header.size());
}

}  // namespace

ReadBytes read_from(std::string_view bytes) {
  return [rest = bytes](char* to, std::size_t size) mutable -> Result<std::size_t> {
    const std::size_t count = std::min(size, rest.size());
    std::memcpy(to, rest.data(), count);
    rest.remove_prefix(count);
    return count;
  };
}

Result<std::string> plain_path(std::string_view path) {
  std::string plain;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return bad("a path in it leaves the archive by '..'");
    if (part.size() > part_bytes_max || plain.size() + part.size() + 1 > path_bytes_max) {
      return bad("a path in it is too long: " + log_safe(part, 80) + "…");
    }
    if (part.find('\0') != std::string_view::npos) return bad("a path in it has a NUL");
    if (!plain.empty()) plain += '/';
    plain += part;
  }
  return plain;
}

TarReader::TarReader(ReadBytes source) : source_(std::move(source)) {}

Result<std::size_t> TarReader::fill(char* to, std::size_t size) {
  std::size_t count = 0;
  while (count < size) {
    CANOPY_TRY(const std::size_t got, source_(to + count, size - count));
    if (got == 0) break;
    count += got;
  }
  position_ += count;
  return count;
}

Result<void> TarReader::skip() {
  std::array<char, 16 * KiB> ignored;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::uint64_t rest = left_ + padding_;
  left_ = 0;
  padding_ = 0;
  while (rest > 0) {
    const std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(rest, ignored.size()));
    CANOPY_TRY(const std::size_t got, fill(ignored.data(), piece));
    if (got < piece) return bad("it is broken off");
    rest -= got;
  }
  return {};
}

Result<std::string> TarReader::read_text(std::uint64_t size) {
  if (size > long_text_bytes_max) return bad("an extended header is larger than 1MiB");
  std::string text(static_cast<std::size_t>(size), '\0');
  CANOPY_TRY(const std::size_t got, fill(text.data(), text.size()));
  if (got < text.size()) return bad("it is broken off");
  left_ = 0;
  padding_ = padding_of(size);
  CANOPY_TRY_VOID(skip());
  return text;
}

// Lines "LENGTH key=value\n", where the length is that of the whole line.
Result<void> TarReader::read_pax(std::string_view text, Extended& extended) const {
  while (!text.empty()) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc{} || size > text.size() || size < digits + 3 || text[digits] != ' ' ||
        text[size - 1] != '\n') {
      return bad("an extended header is none");
    }
    const std::string_view record = text.substr(digits + 1, size - digits - 2);
    text.remove_prefix(size);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return bad("an extended header is none");
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    if (key == "path") extended.path = value;
    if (key == "linkpath") extended.target = value;
    if (key.starts_with("GNU.sparse.")) return bad("it holds a sparse file; write it with plain files");
    if (key != "size") continue;
    std::uint64_t bytes = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), bytes);
    if (read.ec != std::errc{} || read.ptr != value.data() + value.size()) return bad("a size is no number");
    extended.size_bytes = bytes;
  }
  return {};
}

Result<TarEntry> TarReader::make_entry(std::string_view header, Extended extended) const {
  TarEntry entry;
  std::string path = extended.path.value_or(std::string(text_of(header, name_place)));
  const std::string_view prefix = text_of(header, prefix_place);
  // GNU's own format has times where POSIX has the prefix.
  const bool has_prefix = cut(header, {magic_place.at, 6}) == std::string_view("ustar\0", 6);
  if (!extended.path && has_prefix && !prefix.empty()) path = std::string(prefix) + '/' + path;
  CANOPY_TRY(entry.kind, kind_of(header[kind_at], path));
  CANOPY_TRY(entry.path, plain_path(path));
  entry.target = extended.target.value_or(std::string(text_of(header, link_place)));
  if (entry.target.size() > path_bytes_max || entry.target.find('\0') != std::string::npos) {
    return bad("the target of '" + log_safe(entry.path, 200) + "' is none");
  }
  if (entry.kind == TarEntry::Kind::hardlink) {
    CANOPY_TRY(entry.target, plain_path(entry.target));
  }
  const auto mode = number_of(cut(header, mode_place));
  const auto user = number_of(cut(header, user_place));
  const auto group = number_of(cut(header, group_place));
  const auto size = extended.size_bytes ? extended.size_bytes : number_of(cut(header, size_place));
  if (!mode || !user || !group || !size || *size > size_bytes_max) {
    return bad("a number of '" + log_safe(entry.path, 200) + "' is none");
  }
  entry.mode = static_cast<unsigned>(*mode & 07777U);
  entry.user = *user;
  entry.group = *group;
  entry.size_bytes = entry.kind == TarEntry::Kind::file ? *size : 0;
  return entry;
}

Result<std::optional<TarEntry>> TarReader::next() {
  CANOPY_TRY_VOID(skip());
  Extended extended;
  for (int i = 0; i <= extensions_max; ++i) {
    std::array<char, block_bytes> block{};
    CANOPY_TRY(const std::size_t got, fill(block.data(), block.size()));
    const std::string_view header(block.data(), block.size());
    const bool is_end = got == 0 || header.find_first_not_of('\0') == std::string_view::npos;
    if (is_end && i == 0) return std::nullopt;
    if (is_end || got < block.size()) return bad("it is broken off");
    const auto sum = number_of(cut(header, sum_place));
    if (cut(header, magic_place) != "ustar" || !sum || *sum != sum_of(header)) {
      return bad("a header in it is none");
    }
    const char letter = header[kind_at];
    const bool extends = letter == 'x' || letter == 'g' || letter == 'L' || letter == 'K';
    if (!extends) {
      CANOPY_TRY(TarEntry entry, make_entry(header, std::move(extended)));
      left_ = entry.size_bytes;
      padding_ = padding_of(entry.size_bytes);
      return entry;
    }
    const auto size = number_of(cut(header, size_place));
    if (!size) return bad("a number of an extended header is none");
    CANOPY_TRY(std::string text, read_text(*size));
    if (letter == 'x') {
      CANOPY_TRY_VOID(read_pax(text, extended));
    } else if (letter != 'g') {  // What 'g' says of all entries is of no use here.
      text.resize(std::min(text.find('\0'), text.size()));
      (letter == 'L' ? extended.path : extended.target) = std::move(text);
    }
  }
  return bad("too many extended headers stand before one entry");
}

Result<std::size_t> TarReader::read(char* to, std::size_t size) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, left_));
  if (wanted == 0) return 0;
  CANOPY_TRY(const std::size_t got, fill(to, wanted));
  if (got < wanted) return bad("it is broken off");
  left_ -= got;
  return got;
}

void append_tar_head(const TarEntry& entry, std::string& out) {
  std::string records;
  if (entry.path.size() > name_place.size) records += pax_record("path", entry.path);
  if (entry.target.size() > link_place.size) records += pax_record("linkpath", entry.target);
  constexpr std::uint64_t plain_max = 077777777777;
  if (entry.size_bytes > plain_max) records += pax_record("size", std::to_string(entry.size_bytes));
  if (!records.empty()) {
    append_block({.path = "pax", .target = {}, .size_bytes = records.size()}, 'x', out);
    out += records;
    append_tar_padding(records.size(), out);
  }
  TarEntry shown = entry;
  shown.size_bytes = std::min(shown.size_bytes, plain_max);
  append_block(shown, letter_of(entry.kind), out);
}

void append_tar_padding(std::uint64_t content_bytes, std::string& out) {
  out.append(static_cast<std::size_t>(padding_of(content_bytes)), '\0');
}

void append_tar(const TarEntry& entry, std::string_view content, std::string& out) {
  TarEntry whole = entry;
  whole.size_bytes = content.size();
  append_tar_head(whole, out);
  out += content;
  append_tar_padding(content.size(), out);
}

void append_tar_end(std::string& out) { out.append(2 * block_bytes, '\0'); }

}  // namespace canopy::wire
