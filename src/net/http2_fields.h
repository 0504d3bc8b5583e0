#pragma once
// The headers of a response as HTTP/2 has them: names in small letters, none of those that frame a response
// of HTTP/1.1, and none whose text could be read as anything else.

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "net/http.h"

namespace canopy::net {

class Http2Fields {
 public:
  // The head of `response`; its length too where the body is `sized`. `date_line` is as date_line() makes it.
  Http2Fields(const HttpResponse& response, bool is_sized, std::string_view date_line);
  // Trailers.
  explicit Http2Fields(const std::vector<HttpHeader>& trailers);

  // Lives as long as this.
  const std::vector<nghttp2_nv>& list() const { return list_; }

 private:
  void add_checked(const HttpHeader& header, bool has_content_type);
  void add_lines(std::string_view lines);
  void add(std::string_view name, std::string_view value);

  std::deque<std::string> texts_;
  std::vector<nghttp2_nv> list_;
};

}  // namespace canopy::net
