#include "net/http.h"

#include "net/header_text.h"

namespace canopy::net {

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [each, value] : headers) {
    if (same_text(each, name)) return value;
  }
  return {};
}

}  // namespace canopy::net
