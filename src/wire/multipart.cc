#include "wire/multipart.h"

#include <algorithm>
#include <cstring>

#include "wire/headers.h"
#include "wire/values.h"

namespace canopy::wire {
namespace {

constexpr std::size_t boundary_max = 70;
constexpr std::string_view line_end = "\r\n";

bool is_boundary_character(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

Result<std::string> read_boundary(std::string_view content_type) {
  if (media_type(content_type) != "multipart/form-data") {
    return fail(Code::invalid, "the body is " + in_quotes(content_type) + ", not multipart/form-data");
  }
  const auto boundary = header_parameter(content_type, "boundary");
  if (!boundary) return fail(Code::invalid, "Content-Type: multipart/form-data must say its boundary");
  const bool good = !boundary->empty() && boundary->size() <= boundary_max && !boundary->ends_with(' ') &&
                    std::ranges::all_of(*boundary, is_boundary_character);
  if (!good) {
    return fail(Code::invalid, "Content-Type: " + in_quotes(*boundary) +
                                   " is not a boundary: it has 1 to 70 characters of those RFC 2046 allows");
  }
  return *boundary;
}

// A line that separates parts: where it begins, where what follows it begins, and whether it is the last.
struct Delimiter {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool last = false;
};

class MultipartParser {
 public:
  MultipartParser(std::string_view body, const std::string& boundary, MultipartLimits limits)
      : body_(body), delimiter_(std::string(line_end) + "--" + boundary), limits_(limits) {}

  Result<std::vector<Part>> parse() {
    auto delimiter = first_delimiter();
    if (!delimiter) {
      return fail(Code::invalid,
                  "multipart body: its boundary is not in it; does Content-Type name the right one?");
    }
    while (!delimiter->last) {
      if (parts_.size() == limits_.parts_max) {
        return fail(Code::too_large, "multipart body: more than " + std::to_string(limits_.parts_max) +
                                         " parts are not allowed");
      }
      part_ = Part{};
      part_.offset = delimiter->end;
      CANOPY_TRY(const std::size_t content, read_head(delimiter->end));
      // The empty line of the head may double as the line end before the next delimiter.
      const auto next = find_delimiter(content - line_end.size());
      if (!next) return refuse(body_.size(), "the body ends without its last boundary; was it cut short?");
      part_.body = next->begin < content ? std::string_view() : body_.substr(content, next->begin - content);
      parts_.push_back(std::move(part_));
      delimiter = next;
    }
    return std::move(parts_);
  }

 private:
  // The body may begin with a delimiter, without the line end before it, or with words to be ignored.
  std::optional<Delimiter> first_delimiter() const {
    const std::string_view bare = std::string_view(delimiter_).substr(line_end.size());
    if (body_.starts_with(bare)) {
      const auto delimiter = delimiter_at(0, bare.size());
      if (delimiter) return delimiter;
    }
    return find_delimiter(0);
  }

  // memmem stays fast where a body is full of what begins like a delimiter; string_view::find does not.
  std::size_t search(std::size_t from) const {
    const void* const found =
        memmem(body_.data() + from, body_.size() - from, delimiter_.data(), delimiter_.size());
    if (found == nullptr) return std::string_view::npos;
    return static_cast<std::size_t>(static_cast<const char*>(found) - body_.data());
  }

  std::optional<Delimiter> find_delimiter(std::size_t from) const {
    for (std::size_t at = search(from); at != std::string_view::npos; at = search(at + line_end.size())) {
      const auto delimiter = delimiter_at(at, at + delimiter_.size());
      if (delimiter) return delimiter;
    }
    return std::nullopt;
  }

  // Nothing where the line goes on after the boundary: then it is content that looks like it.
  std::optional<Delimiter> delimiter_at(std::size_t begin, std::size_t end) const {
    const bool last = body_.substr(end).starts_with("--");
    if (last) end += 2;
    end = std::min(body_.find_first_not_of(" \t", end), body_.size());
    if (body_.substr(end).starts_with(line_end)) return Delimiter{begin, end + line_end.size(), last};
    if (last && end == body_.size()) return Delimiter{begin, end, last};
    return std::nullopt;
  }

  // Reads the lines from `at` to the empty one; gives where the content begins.
  Result<std::size_t> read_head(std::size_t at) {
    const std::size_t head_end = at + limits_.head_bytes_max;
    bool has_disposition = false;
    bool has_type = false;
    part_.content_type = "text/plain";
    while (true) {
      const std::size_t end = body_.substr(0, head_end).find(line_end, at);
      if (end == std::string_view::npos) {
        if (body_.size() > head_end) {
          return refuse(at, "its head is longer than " + std::to_string(limits_.head_bytes_max) + " bytes",
                        Code::too_large);
        }
        return refuse(at, "the body ends inside its head; was it cut short?");
      }
      const std::string_view line = body_.substr(at, end - at);
      if (line.empty()) {
        if (!has_disposition) return refuse(at, "it has no Content-Disposition, and so no name");
        return end + line_end.size();
      }
      CANOPY_TRY_VOID(read_line(line, at, has_disposition, has_type));
      at = end + line_end.size();
    }
  }

  Result<void> read_line(std::string_view line, std::size_t at, bool& has_disposition, bool& has_type) {
    const std::size_t colon = line.find(':');
    const bool folded = line.starts_with(' ') || line.starts_with('\t');
    if (colon == std::string_view::npos || colon == 0 || folded) {
      return refuse(at, in_quotes(line) + " is not a header: 'Name: value'");
    }
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; };
    if (std::ranges::any_of(line, is_control)) {
      return refuse(at, in_quotes(line) + " has control characters in it");
    }
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    if (same_word(name, "Content-Disposition")) {
      if (has_disposition) return refuse(at, "it has two of Content-Disposition");
      has_disposition = true;
      return read_disposition(value, at);
    }
    if (same_word(name, "Content-Type")) {
      if (has_type) return refuse(at, "it has two of Content-Type");
      has_type = true;
      part_.content_type = value;
    }
    if (same_word(name, "Content-Transfer-Encoding")) {
      const std::string encoding = media_type(value);
      const bool plain = encoding == "binary" || encoding == "8bit" || encoding == "7bit";
      if (!plain) return refuse(at, "its encoding " + in_quotes(value) + " is not read: send it as it is");
    }
    return {};
  }

  Result<void> read_disposition(std::string_view value, std::size_t at) {
    const auto name = header_parameter(value, "name");
    if (media_type(value) != "form-data" || !name || name->empty()) {
      return refuse(at, in_quotes(value) + " should be: form-data; name=\"...\"");
    }
    part_.name = *name;
    part_.filename = header_parameter(value, "filename");
    return {};
  }

  tl::unexpected<Error> refuse(std::size_t at, std::string_view problem, Code code = Code::invalid) const {
    const std::string named = part_.name.empty() ? "" : " (" + in_quotes(part_.name) + ")";
    return fail(code, "multipart body: part " + std::to_string(parts_.size() + 1) + named + ", at byte " +
                          std::to_string(at) + ": " + std::string(problem));
  }

  std::string_view body_;
  std::string delimiter_;  // With the line end before it.
  MultipartLimits limits_;
  Part part_;  // That is being read.
  std::vector<Part> parts_;
};

}  // namespace

Result<std::vector<Part>> parse_multipart(std::string_view content_type, std::string_view body,
                                          MultipartLimits limits) {
  CANOPY_TRY(const std::string boundary, read_boundary(content_type));
  return MultipartParser(body, boundary, limits).parse();
}

Result<const Part*> find_part(const std::vector<Part>& parts, std::string_view name) {
  const Part* found = nullptr;
  for (const Part& part : parts) {
    if (part.name != name) continue;
    if (found != nullptr) {
      return fail(Code::invalid, "multipart body: two parts are called " + in_quotes(name) + ", at bytes " +
                                     std::to_string(found->offset) + " and " + std::to_string(part.offset));
    }
    found = &part;
  }
  return found;
}

}  // namespace canopy::wire
