#include "net/http2_fields.h"

#include <algorithm>
#include <cstdint>

#include "net/header_text.h"
#include "net/http_write.h"

namespace canopy::net {
namespace {

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::uint8_t* bytes_of(std::string& text) { return reinterpret_cast<std::uint8_t*>(text.data()); }

}  // namespace

Http2Fields::Http2Fields(const HttpResponse& response, bool is_sized, std::string_view date_line) {
  add(":status", std::to_string(response.status));
  add_lines(date_line);
  const bool has_content_type = !response.content_type.empty() && is_field_value(response.content_type);
  if (has_content_type) add("content-type", response.content_type);
  for (const HttpHeader& header : response.headers) add_checked(header, has_content_type);
  add_lines(response.own_lines);
  if (is_sized && has_body(response.status)) add("content-length", std::to_string(response.body.size()));
}

Http2Fields::Http2Fields(const std::vector<HttpHeader>& trailers) {
  for (const HttpHeader& trailer : trailers) add_checked(trailer, true);
}

void Http2Fields::add_checked(const HttpHeader& header, bool has_content_type) {
  if (!is_token(header.name) || !is_field_value(header.value)) return;
  if (is_framing_header(header.name, has_content_type)) return;
  add(header.name, header.value);
}

void Http2Fields::add_lines(std::string_view lines) {
  while (!lines.empty()) {
    const auto end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(lines.size(), end + 2));
    const auto colon = line.find(": ");
    if (colon != std::string_view::npos) add(line.substr(0, colon), line.substr(colon + 2));
  }
}

void Http2Fields::add(std::string_view name, std::string_view value) {
  std::string& kept_name = texts_.emplace_back(name);
  std::transform(kept_name.begin(), kept_name.end(), kept_name.begin(), small);
  std::string& kept_value = texts_.emplace_back(value);
  list_.push_back({.name = bytes_of(kept_name),
                   .value = bytes_of(kept_value),
                   .namelen = kept_name.size(),
                   .valuelen = kept_value.size(),
                   .flags = NGHTTP2_NV_FLAG_NONE});
}

}  // namespace canopy::net
