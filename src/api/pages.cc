#include "api/pages.h"

#include <string>

namespace canopy::api {
namespace {

net::HttpResponse html(std::string body) {
  net::HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  // Nothing from elsewhere runs here, whatever finds its way into the page.
  response.headers.push_back({"Content-Security-Policy",
                              "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                              "connect-src 'self'; base-uri 'none'; form-action 'none'"});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  response.body = std::move(body);
  return response;
}

}  // namespace

net::HttpResponse home_page(std::string_view /*program_version*/) { return html("home"); }
net::HttpResponse docs_page() { return html("docs"); }

}  // namespace canopy::api
